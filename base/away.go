package base

import "github.com/frio-io/frio"

// away is what a listener knows of its children that are not its own to touch any more, because they may live on other threads.
// It belongs to the listener's thread. The zero value is empty.
type away struct {
	list []frio.Remote
	at   map[uint64]int // where in list, by the number of the child
}

// Add takes the place of child id, which lives elsewhere, or a new link of it.
func (a *away) Add(id uint64, r frio.Remote) {
	if i, ok := a.at[id]; ok {
		a.list[i] = r
		return
	}
	if a.at == nil {
		a.at = make(map[uint64]int)
	}
	a.at[id] = len(a.list)
	a.list = append(a.list, r)
}

// Remove forgets child id.
func (a *away) Remove(id uint64) {
	i, ok := a.at[id]
	if !ok {
		return
	}
	last := len(a.list) - 1
	moved := a.list[last]
	a.list[i], a.list[last] = moved, nil
	a.list = a.list[:last]
	delete(a.at, id)
	if i < last {
		a.at[moved.ID()] = i
	}
}

// Len is how many there are.
func (a *away) Len() int { return len(a.list) }

// Close asks all to close, and forgets them.
func (a *away) Close() {
	list := a.list
	a.list, a.at = nil, nil
	for _, r := range list {
		r.CloseNow()
	}
}

// Visit visits their handles until visit returns false, and returns whether it did not.
func (a *away) Visit(visit func(frio.Handle) bool) bool {
	for _, r := range a.list {
		if !visit(r.Handle()) {
			return false
		}
	}
	return true
}
