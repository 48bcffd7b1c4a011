//go:build go1.24

package runtime

import "internal/runtime/sys"

// pagetracePrefetch asks for the line of an address, where the processor has an instruction for it
// that the compiler knows.
func pagetracePrefetch(address uintptr) { sys.Prefetch(address) }
