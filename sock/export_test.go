package sock

const ErrnoMax = errnoMax
