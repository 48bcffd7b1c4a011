// pagetrace_main_test.go: reads operations from standard input, has them replayed, and writes times
// and places to standard output. harness/run/go_stream.h describes both streams, word by word.

package runtime_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// Words of the request's head.
const (
	wordMagic = iota
	wordVersion
	wordHeapBase
	wordHeapPages
	wordChunkPages
	wordExplicitGrowth
	wordIDs
	wordOps
	wordMeasuredFrom
	wordBatches
	wordPasses
	wordClock
	requestWords
)

const (
	requestMagic  = 0x7165722d65676170 // "page-req"
	answerMagic   = 0x736e612d65676170 // "page-ans"
	streamVersion = 2
	passCheck     = 1 // bits of wordPasses
	passBatches   = 2
	passOps       = 4
	passLocked    = 8
	unknown       = ^uint64(0)
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("pagealloc-go-peer %d %s %s\n", streamVersion, runtime.Version(), runtime.GOARCH)
		os.Exit(0)
	}
	// One thread, and nothing of the runtime's own beside it.
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	if err := answer(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pagealloc-go-peer:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func bytesOf[T any](items []T) []byte {
	if len(items) == 0 {
		return nil
	}
	size := len(items) * int(unsafe.Sizeof(items[0]))
	return unsafe.Slice((*byte)(unsafe.Pointer(&items[0])), size)
}

// touched makes a slice whose memory is there already, so that no page fault is left to a timed loop.
func touched[T any](n uint64) []T {
	items := make([]T, n)
	for i, memory := 0, bytesOf(items); i < len(memory); i += 4096 {
		memory[i] = 1
		memory[i] = 0
	}
	return items
}

func answer(in io.Reader, out io.Writer) error {
	head := make([]uint64, requestWords)
	if _, err := io.ReadFull(in, bytesOf(head)); err != nil {
		return fmt.Errorf("no request on standard input (pagealloc-bench sends them): %w", err)
	}
	if head[wordMagic] != requestMagic || head[wordVersion] != streamVersion {
		return fmt.Errorf("this program answers version %d: build it anew with tools/build-go-peer", streamVersion)
	}
	ops := make([]runtime.PagetraceOp, head[wordOps])
	if _, err := io.ReadFull(in, bytesOf(ops)); err != nil {
		return fmt.Errorf("the operations are cut: %w", err)
	}
	ends := make([]uint64, head[wordBatches])
	if _, err := io.ReadFull(in, bytesOf(ends)); err != nil {
		return fmt.Errorf("the batches are cut: %w", err)
	}
	replay := func() *runtime.PagetraceReplay {
		r := &runtime.PagetraceReplay{
			Ops:            ops,
			Runs:           touched[runtime.PagetraceRun](head[wordIDs]),
			HeapBase:       head[wordHeapBase],
			HeapPages:      head[wordHeapPages],
			ChunkPages:     head[wordChunkPages],
			ExplicitGrowth: head[wordExplicitGrowth] != 0,
			CPUTicks:       head[wordClock] != 0,
			EachLocked:     head[wordPasses]&passLocked != 0,
		}
		return r
	}
	begin := int(head[wordMeasuredFrom])
	if _, err := out.Write(bytesOf([]uint64{answerMagic, streamVersion})); err != nil {
		return err
	}
	if head[wordPasses]&passCheck != 0 {
		if err := check(replay(), out); err != nil {
			return err
		}
	}
	if head[wordPasses]&passBatches != 0 {
		if err := timeBatches(replay, begin, ends, out); err != nil {
			return err
		}
	}
	if head[wordPasses]&passOps != 0 {
		if err := timeOps(replay, begin, out); err != nil {
			return err
		}
	}
	return nil
}

func check(r *runtime.PagetraceReplay, out io.Writer) error {
	before := runtime.PagetraceMetadataBytes()
	r.Open()
	outcomes := make([]runtime.PagetraceOutcome, len(r.Ops))
	r.Execute(0, len(r.Ops), outcomes)
	metadata := runtime.PagetraceMetadataBytes() - before
	if _, err := out.Write(bytesOf([]uint64{r.Hash, metadata})); err != nil {
		return err
	}
	_, err := out.Write(bytesOf(outcomes))
	return err
}

func timeBatches(replay func() *runtime.PagetraceReplay, begin int, ends []uint64, out io.Writer) error {
	ticks := touched[uint64](uint64(len(ends)))
	r := replay()
	resident := residentBytes()
	r.Open()
	r.Execute(0, begin, nil)
	before := costs()
	r.TimeBatches(begin, ends, ticks)
	region := costs().since(before)
	grown := grownSince(resident)
	hash := r.Hash
	// The same without the allocator, three times; the fastest, as neighbours only add time.
	var fastest []uint64
	for i := 0; i < 3; i++ {
		idle := touched[uint64](uint64(len(ends)))
		r.Idle = true
		r.TimeBatches(begin, ends, idle)
		if fastest == nil || sum(idle) < sum(fastest) {
			fastest = idle
		}
	}
	r.Close()
	if _, err := out.Write(bytesOf([]uint64{hash, region.lostNs, region.nivcsw, region.faults, grown})); err != nil {
		return err
	}
	if _, err := out.Write(bytesOf(ticks)); err != nil {
		return err
	}
	_, err := out.Write(bytesOf(fastest))
	return err
}

func timeOps(replay func() *runtime.PagetraceReplay, begin int, out io.Writer) error {
	r := replay()
	count := uint64(len(r.Ops) - begin)
	ticks := touched[uint32](count)
	idle := touched[uint32](count)
	resident := residentBytes()
	r.Open()
	r.Execute(0, begin, nil)
	before := costs()
	r.TimeOps(begin, ticks)
	region := costs().since(before)
	grown := grownSince(resident)
	hash := r.Hash
	r.Idle = true
	r.TimeOps(begin, idle)
	r.Close()
	if _, err := out.Write(bytesOf([]uint64{hash, region.lostNs, region.nivcsw, region.faults, grown})); err != nil {
		return err
	}
	if _, err := out.Write(bytesOf(ticks)); err != nil {
		return err
	}
	_, err := out.Write(bytesOf(idle))
	return err
}

func sum(ticks []uint64) (total uint64) {
	for _, taken := range ticks {
		total += taken
	}
	return total
}

// regionCosts is what the kernel did to this thread.
type regionCosts struct {
	lostNs, nivcsw, faults uint64
}

func (now regionCosts) since(before regionCosts) regionCosts {
	now.nivcsw -= before.nivcsw
	now.faults -= before.faults
	if now.lostNs != unknown {
		now.lostNs -= before.lostNs
	}
	return now
}

func costs() regionCosts {
	now := regionCosts{lostNs: unknown}
	// The second field: nanoseconds that the thread was ready to run and did not.
	if text, err := os.ReadFile("/proc/thread-self/schedstat"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			if lost, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				now.lostNs = lost
			}
		}
	}
	var usage syscall.Rusage
	const thread = 1 // RUSAGE_THREAD
	if syscall.Getrusage(thread, &usage) == nil {
		now.nivcsw = uint64(usage.Nivcsw)
		now.faults = uint64(usage.Minflt)
	}
	return now
}

// grownSince is by how many bytes the memory of this process grew.
func grownSince(before uint64) uint64 {
	if now := residentBytes(); now > before {
		return now - before
	}
	return 0
}

func residentBytes() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}
