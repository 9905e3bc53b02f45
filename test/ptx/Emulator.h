// An emulator of PTX: runs the kernels that caac makes on the host, and finds what is wrong with them.
//
// Modelled: every lane's registers; divergence (lanes that part go on in the order of their place in the text and meet
// where their places are the same; a .sync instruction waits for the lanes it names); shared memory (SharedMemory.h:
// bounds, alignment, reads of what nobody wrote, races between warps and between lanes); device memory (bounds of
// allocations, alignment, reads of what nobody wrote); named barriers and mbarriers; cp.async, copies by tensor maps
// and wgmma as late as the rules permit (Block.h), with the fences between the proxies; mma.sync, ldmatrix, stmatrix;
// deadlocks. Not modelled: time; the accuracy of approximate instructions (they are exact to a few float32 units); the
// order in which a tensor core adds (products are added in float32 in the order of k); races in device memory;
// wgmma.fence (accumulators that are touched early hold NaN instead); registers' number; several blocks at once (they
// run in order, or on several threads). An instruction that is not emulated is a Fault at the first launch.
#pragma once

#include "test/ptx/Block.h"

namespace caa::ptx {

/// Runs a launch on `threads` threads of the host. Returns instructions times lanes. Throws a Fault whose text tells
/// kernel, block, warp, lane, and the line.
uint64_t run(Module &module, const Launch &launch, unsigned threads = 1);

} // namespace caa::ptx
