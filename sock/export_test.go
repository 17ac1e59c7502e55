package sock

const ErrnoMax = errnoMax

// Reserving is a Kernel that keeps back descriptors from first on.
func Reserving(first int) Kernel {
	s := new(system)
	s.reserve.once.Do(func() { s.reserve.first = first })
	return s
}

// FirstReserved is the number that a new one would keep back from.
func FirstReserved() int {
	var r reserve
	r.begin()
	return r.first
}
