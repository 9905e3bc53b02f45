// Matrix products in float32: the one thing that compiled code leaves to a library (oneDNN).
//
// The library runs on one thread; the pool's threads share C out as a grid of blocks that depends on the shape and the
// number of threads alone, so the same run gives the same bits. (Measured: as fast as the library's own threads, and no
// second pool of spinning threads competes with ours.)
#pragma once

#include "runtime/base/result.h"
#include "runtime/engine/threads.h"
#include "runtime/products/products_api.h"

namespace caa {

/// Loads the library, once: an error that names the package where it is missing. Products do so by themselves; whoever
/// will need one can learn early whether it works.
Result<const ProductsApi *> loadProducts();

/// The whole product, on all threads. An error only where the library is missing.
Status runProduct(Threads &threads, const Product &product);

/// Floating-point operations a second of a large product on these threads, measured now (about 0.1 s).
Result<double> measureProductPeak(Threads &threads);

} // namespace caa
