// pagetrace_pages_test.go: replays a decoded page trace on the runtime's own page allocator.
//
// tools/build-go-peer lays this file over package runtime, where an allocator can be made that is
// not the program's own (NewPageAlloc of export_test.go) and its methods can be called as the
// runtime calls them: under the heap's lock, on the system stack. A pass takes both once, so that
// only the allocator's work is timed; with EachLocked a timed pass takes both for each operation, as
// the runtime does. Every pass goes through step(); with Idle set, the allocator is left out (and so
// are stack and lock) and what remains is the loop's own cost.

package runtime

import "unsafe"

// Kinds of operations, as harness/run/go_stream.h numbers them.
const (
	pagetraceGrow        = 0
	pagetraceAllocate    = 1
	pagetraceFree        = 2
	pagetraceAllocRange  = 3
	pagetraceFreeRange   = 4
	pagetraceTakeCache   = 5
	pagetraceReturnCache = 6
	pagetraceFind        = 9
)

// PagetraceNone is the first page of an allocation that found no room.
const PagetraceNone = ^uint64(0)

// PagetraceOp is an operation as it comes from the harness; op.h there says what fields mean.
type PagetraceOp struct {
	Kind, ID        uint32
	At, Count, Mask uint64
}

// PagetraceRun is what an ID holds.
type PagetraceRun struct {
	base, pages uintptr
}

// PagetraceOutcome is what an operation gave.
type PagetraceOutcome struct {
	First, Scavenged, Mask uint64
}

// PagetraceReplay is a pass over the operations.
type PagetraceReplay struct {
	Ops            []PagetraceOp
	Runs           []PagetraceRun // by ID
	HeapBase       uint64         // address of offset 0
	HeapPages      uint64         // pages from there to the end of the layout
	ChunkPages     uint64         // growth on demand is a multiple of it
	ExplicitGrowth bool           // the heap grows by pagetraceGrow only
	CPUTicks       bool           // time by the CPU's counter, not by nanotime
	Idle           bool           // call no allocator
	EachLocked     bool           // each timed operation changes the stack and takes the lock

	Hash      uint64
	pages     *pageAlloc
	base      uintptr
	demandEnd uint64 // offset where growth on demand continues
	outcome   PagetraceOutcome
	consumed  uintptr // keeps what an idle pass computes alive
}

// Open makes an allocator without a heap.
func (r *PagetraceReplay) Open() {
	r.pages = (*pageAlloc)(NewPageAlloc(nil, nil))
	r.base = uintptr(r.HeapBase)
	debug.asyncpreemptoff = 1 // no signals while the clock runs
}

// Close gives the allocator's memory back.
func (r *PagetraceReplay) Close() { FreePageAlloc((*PageAlloc)(r.pages)) }

// PagetraceMetadataBytes is what the runtime counts as mapped for metadata of allocators made here.
func PagetraceMetadataBytes() uint64 { return uint64(testSysStat.load()) }

// Execute runs operations [begin, end); outcomes gets what each gave, unless it is nil.
func (r *PagetraceReplay) Execute(begin, end int, outcomes []PagetraceOutcome) {
	systemstack(func() {
		lock(r.pages.mheapLock)
		hash := r.Hash
		for i := begin; i < end; i++ {
			hash = r.step(&r.Ops[i], hash)
			if outcomes != nil {
				outcomes[i] = r.outcome
			}
		}
		r.Hash = hash
		unlock(r.pages.mheapLock)
	})
}

// TimeBatches runs operations from `begin` on; batch b ends before operation ends[b] and takes
// ticks[b].
func (r *PagetraceReplay) TimeBatches(begin int, ends, ticks []uint64) {
	if r.EachLocked && !r.Idle {
		r.timeBatchesLocked(begin, ends, ticks)
		return
	}
	systemstack(func() {
		lock(r.pages.mheapLock)
		hash := r.Hash
		at := begin
		for b := range ends {
			end := int(ends[b])
			start := r.now()
			for ; at < end; at++ {
				r.prefetchAhead(at)
				hash = r.step(&r.Ops[at], hash)
			}
			ticks[b] = uint64(r.now() - start)
		}
		r.Hash = hash
		unlock(r.pages.mheapLock)
	})
}

// stepLocked is an operation as mheap does it for a goroutine.
func (r *PagetraceReplay) stepLocked(op *PagetraceOp, hash uint64) uint64 {
	systemstack(func() {
		lock(r.pages.mheapLock)
		hash = r.step(op, hash)
		unlock(r.pages.mheapLock)
	})
	return hash
}

// timeBatchesLocked is TimeBatches on the goroutine's stack and without the lock.
func (r *PagetraceReplay) timeBatchesLocked(begin int, ends, ticks []uint64) {
	at := begin
	for b := range ends {
		end := int(ends[b])
		start := r.now()
		for ; at < end; at++ {
			r.prefetchAhead(at)
			r.Hash = r.stepLocked(&r.Ops[at], r.Hash)
		}
		ticks[b] = uint64(r.now() - start)
	}
}

// TimeOps runs operations from `begin` on; ticks, one for each, gets what it took.
func (r *PagetraceReplay) TimeOps(begin int, ticks []uint32) {
	if r.EachLocked && !r.Idle {
		for i := range ticks {
			r.prefetchAhead(begin + i)
			start := r.now()
			r.Hash = r.stepLocked(&r.Ops[begin+i], r.Hash)
			ticks[i] = pagetraceTicks(r.now() - start)
		}
		return
	}
	systemstack(func() {
		lock(r.pages.mheapLock)
		hash := r.Hash
		for i := range ticks {
			r.prefetchAhead(begin + i)
			start := r.now()
			hash = r.step(&r.Ops[begin+i], hash)
			ticks[i] = pagetraceTicks(r.now() - start)
		}
		r.Hash = hash
		unlock(r.pages.mheapLock)
	})
}

// prefetchAhead asks for what an operation of soon needs of Runs, as Runner::PrefetchAhead of the
// harness does.
func (r *PagetraceReplay) prefetchAhead(at int) {
	at += 8
	if at >= len(r.Ops) {
		at = len(r.Ops) - 1
	}
	if id := r.Ops[at].ID; int(id) < len(r.Runs) {
		pagetracePrefetch(uintptr(unsafe.Pointer(&r.Runs[id])))
	}
}

// pagetraceTicks is a time, cut to 32 bits.
func pagetraceTicks(taken int64) uint32 {
	if taken > 1<<32-1 {
		taken = 1<<32 - 1
	}
	return uint32(taken)
}

func (r *PagetraceReplay) now() int64 {
	if r.CPUTicks {
		return cputicks()
	}
	return nanotime()
}

// As Runner::Mix of the harness.
func pagetraceMix(hash, value uint64) uint64 {
	return ((hash<<23 | hash>>41) ^ value) * 0x9e3779b97f4a7c15
}

// The address of an offset.
func (r *PagetraceReplay) address(at uint64) uintptr { return r.base + uintptr(at)*pageSize }

// The offset of an address.
func (r *PagetraceReplay) offset(address uintptr) uint64 {
	return uint64((address - r.base) / pageSize)
}

// step executes an operation and mixes the place it gave into the hash.
//
//go:noinline
func (r *PagetraceReplay) step(op *PagetraceOp, hash uint64) uint64 {
	p := r.pages
	r.outcome = PagetraceOutcome{}
	switch op.Kind {
	case pagetraceAllocate:
		n := uintptr(op.Count)
		var address, scavenged uintptr
		if r.Idle {
			address = r.address(op.Count)
		} else {
			address, scavenged = p.alloc(n)
			if address == 0 && r.growOnDemand(op.Count) {
				address, scavenged = p.alloc(n)
			}
		}
		first := uint64(PagetraceNone)
		if address != 0 {
			r.Runs[op.ID] = PagetraceRun{address, n}
			first = r.offset(address)
			r.outcome.Scavenged = uint64(scavenged / pageSize)
		}
		r.outcome.First = first
		return pagetraceMix(hash, first)
	case pagetraceFree:
		run := &r.Runs[op.ID]
		if r.Idle {
			r.consumed = run.base + run.pages
		} else {
			pagetraceFreePages(p, run.base, run.pages)
		}
	case pagetraceFreeRange:
		if r.Idle {
			r.consumed = r.address(op.At)
		} else {
			pagetraceFreePages(p, r.address(op.At), uintptr(op.Count))
		}
	case pagetraceAllocRange:
		r.outcome.First = op.At
		if r.Idle {
			r.consumed = r.address(op.At)
		} else {
			r.outcome.Scavenged = uint64(p.allocRange(r.address(op.At), uintptr(op.Count)) / pageSize)
		}
	case pagetraceTakeCache:
		c := pageCache{base: r.base, cache: 1}
		if !r.Idle {
			c = p.allocToCache()
			if c.cache == 0 && r.growOnDemand(1) {
				c = p.allocToCache()
			}
		}
		first := uint64(PagetraceNone)
		if c.cache != 0 {
			first = r.offset(c.base)
			r.outcome.Mask = c.cache
			r.outcome.Scavenged = c.scav
		}
		r.outcome.First = first
		return pagetraceMix(pagetraceMix(hash, first), r.outcome.Mask)
	case pagetraceReturnCache:
		c := pageCache{base: r.address(op.At), cache: op.Mask, scav: op.Count}
		if r.Idle {
			r.consumed = c.base
		} else {
			c.flush(p)
		}
	case pagetraceFind:
		address := r.address(op.Count)
		if !r.Idle {
			address = 0
			// As alloc does: nothing is searched where the heap is known to be full.
			if chunkIndex(p.searchAddr.addr()) < p.end {
				address, _ = p.find(uintptr(op.Count))
			}
		}
		first := uint64(PagetraceNone)
		if address != 0 {
			first = r.offset(address)
		}
		r.outcome.First = first
		return pagetraceMix(hash, first)
	case pagetraceGrow:
		if r.Idle {
			r.consumed = r.address(op.At)
		} else {
			p.grow(r.address(op.At), uintptr(op.Count)*pageSize)
		}
	default:
		throw("pagetrace: no such kind of operation")
	}
	return hash
}

// growOnDemand extends the heap at its end by `want` pages, rounded up to chunks; false if the trace
// does that itself or the layout ends there.
func (r *PagetraceReplay) growOnDemand(want uint64) bool {
	if r.ExplicitGrowth {
		return false
	}
	n := (want + r.ChunkPages - 1) / r.ChunkPages * r.ChunkPages
	if r.demandEnd+n > r.HeapPages {
		return false
	}
	r.pages.grow(r.address(r.demandEnd), uintptr(n)*pageSize)
	r.demandEnd += n
	return true
}
