//go:build go1.21

package runtime

// pagetraceFreePages gives pages back as the runtime does.
func pagetraceFreePages(p *pageAlloc, base, pages uintptr) { p.free(base, pages) }
