package conf

// Bounds of what a file may ask for. With them a parse takes time and memory linear in the bytes read.
const (
	maxFileBytes    = 4 << 20 // one file; the largest of a stock FreeRADIUS is 50 KiB
	maxAllBytes     = 16 << 20
	maxIncludes     = 4096 // files read
	defaultMaxDepth = 32   // of $INCLUDE
	maxNesting      = 100  // sections in sections, copies too
	maxChain        = 100  // references to references
	maxValueBytes   = 64 << 10
	maxErrors       = 1000
	maxTail         = 64 // lines after an unclosed string that may be its rest

	// All that references and templates add may be expandBase bytes and expandFactor times what was read: enough
	// for a client of three lines that takes twenty more from a template, too little for doubling line by line.
	expandBase   = 1 << 20
	expandFactor = 64

	// nodeBytes is what a copied section or pair counts besides its strings: about its memory.
	nodeBytes = 256
)
