// See Remarks.h. Locations and duplicates are the business of the diagnostics.
#include "codegen/Driver/Remarks.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace caa {

namespace {
struct Streamer : remark::detail::MLIRRemarkStreamerBase {
  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    std::string text;
    for (const remark::detail::Remark::Arg &part : remark.getArgs())
      text += part.val;
    emitRemark(remark.getLocation()) << text << " [" << remark.getRemarkName() << "]";
  }
};
} // namespace

void enableRemarks(MLIRContext &context) {
  remark::RemarkCategories categories;
  categories.missed = categories.failed = categories.analysis = ".*";
  (void)remark::enableOptimizationRemarks(context, std::make_unique<Streamer>(), std::make_unique<remark::RemarkEmittingPolicyAll>(),
                                          categories);
}

} // namespace caa
