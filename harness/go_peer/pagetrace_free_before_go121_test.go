//go:build !go1.21

package runtime

// pagetraceFreePages gives pages back as the runtime does: their memory was not returned to the
// operating system before.
func pagetraceFreePages(p *pageAlloc, base, pages uintptr) { p.free(base, pages, false) }
