// How a failing pass ends: as the author's error, or as ours with a reproducer.
#include "codegen/Driver/InternalErrors.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include "gtest/gtest.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

namespace caa {
namespace {

struct FailingPass : mlir::PassWrapper<FailingPass, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(FailingPass)
  explicit FailingPass(std::function<void(mlir::ModuleOp)> fail) : fail(std::move(fail)) {}
  llvm::StringRef getArgument() const override { return "failing-pass"; }
  void runOnOperation() override {
    fail(getOperation());
    signalPassFailure();
  }
  std::function<void(mlir::ModuleOp)> fail;
};

class InternalErrorsTest : public testing::Test {
protected:
  InternalErrorsTest()
      : author(&context, [this](mlir::Diagnostic &diagnostic) { authorSees += diagnostic.str() + "\n"; }),
        internal(context, [this] { return !authorSees.empty(); }),
        module(mlir::ModuleOp::create(mlir::UnknownLoc::get(&context))) {}
  ~InternalErrorsTest() override {
    if (!internal.reproducer().empty())
      std::filesystem::remove(internal.reproducer());
  }

  void runPass(std::function<void(mlir::ModuleOp)> fail) {
    mlir::PassManager passes(&context);
    passes.enableCrashReproducerGeneration(internal.reproducers());
    passes.addPass(std::make_unique<FailingPass>(std::move(fail)));
    EXPECT_TRUE(mlir::failed(passes.run(*module)));
  }
  std::string reproducer() const {
    std::ifstream file(internal.reproducer());
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  mlir::MLIRContext context;
  std::string authorSees;
  mlir::ScopedDiagnosticHandler author;
  InternalErrors internal;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

TEST_F(InternalErrorsTest, ErrorOfTheAuthorLeavesNoReproducer) {
  runPass([](mlir::ModuleOp module) { module.emitError("no gradient reaches `w`"); });
  EXPECT_EQ(authorSees, "no gradient reaches `w`\n");
  EXPECT_FALSE(internal.any());
  EXPECT_EQ(internal.reproducer(), "");
}

TEST_F(InternalErrorsTest, InternalErrorIsKeptFromTheAuthorAndWritesAReproducer) {
  runPass([](mlir::ModuleOp module) { module.emitError("internal: a buffer has no home"); });
  EXPECT_EQ(authorSees, "");
  EXPECT_NE(internal.messages().find("a buffer has no home"), std::string::npos);
  EXPECT_NE(reproducer().find("failing-pass"), std::string::npos);
  EXPECT_NE(reproducer().find("module"), std::string::npos);
}

TEST_F(InternalErrorsTest, PassThatFailsSilentlyIsOurFault) {
  runPass([](mlir::ModuleOp) {});
  EXPECT_EQ(authorSees, "");
  EXPECT_TRUE(internal.any());
  EXPECT_NE(reproducer().find("failing-pass"), std::string::npos);
}

TEST_F(InternalErrorsTest, CrashInAPassWritesAReproducer) {
  runPass([](mlir::ModuleOp) { std::raise(SIGSEGV); });
  EXPECT_EQ(authorSees, "");
  EXPECT_TRUE(internal.any());
  EXPECT_NE(reproducer().find("failing-pass"), std::string::npos);
}

TEST_F(InternalErrorsTest, WhatBreaksAVerifierIsOurFault) {
  runPass([](mlir::ModuleOp module) { (void)module.emitOpError("requires one region"); });
  EXPECT_EQ(authorSees, "");
  EXPECT_NE(internal.messages().find("requires one region"), std::string::npos);
}

TEST_F(InternalErrorsTest, OnceTheModelIsKnownToBeGoodEveryErrorIsOurs) {
  internal.everythingIsInternal();
  runPass([](mlir::ModuleOp module) { module.emitError("cannot tile this"); });
  EXPECT_EQ(authorSees, "");
  EXPECT_NE(internal.messages().find("cannot tile this"), std::string::npos);
}

TEST_F(InternalErrorsTest, WhatATargetHasNoCodeForIsToldTheAuthorEvenThen) {
  internal.everythingIsInternal();
  runPass([](mlir::ModuleOp module) { module.emitError("cannot be compiled for sm_80 yet: it is too large"); });
  EXPECT_EQ(authorSees, "cannot be compiled for sm_80 yet: it is too large\n");
  EXPECT_FALSE(internal.any());
  EXPECT_EQ(internal.reproducer(), "");
}

} // namespace
} // namespace caa
