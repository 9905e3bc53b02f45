// The front end as a library: from a `.mdl` file to a module of the `caa` dialect, with every problem reported.
//
// The module holds `caa.parameter` symbols and `func.func @model`, whose arguments are its inputs (argument attribute
// `caa.name`), and for each `--export NAME` a `func.func @"export.NAME"` with the attribute `caa.export = "NAME"`, whose
// results carry `caa.name` ("out", "out.1", ...); the symbols of its parameters begin with "NAME:". Module attributes:
//
//   caa.model      the model's name
//   caa.values     dictionary of the model's parameters (i64, f64, bool, strings, arrays)
//   caa.context, caa.vocab   i64, where the model has them
//   caa.train      dictionary: data, tokenizer, precision (only if given), optimizer {name, lr, beta1, beta2, eps,
//                  weight_decay, clip}, groups [{name, lr, weight_decay?, clip?}], batch, steps (only if given),
//                  schedule {name, warmup, decay, end}, seed
//   caa.source     the main file's name
//   caa.sources    dictionary: file name -> text
#pragma once

#include "frontend/Support/Diagnostics.h"
#include "frontend/Support/Source.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
}

namespace caa {

struct FrontendOptions {
  std::vector<std::string> sets; // NAME=VALUE
  std::string model;             // "": the last one in the file
  struct Export {
    std::string name;
    std::vector<std::string> args; // VECTOR=HEADSxWIDTH
  };
  std::vector<Export> exports;
};

// Compiles `path` ("-": standard input). Null after an error; all of them are in `diagnostics`, which the caller flushes.
mlir::OwningOpRef<mlir::ModuleOp> compileToCaa(SourceManager &sources, Diagnostics &diagnostics, const std::string &path,
                                               const FrontendOptions &options, mlir::MLIRContext &context);

// Checks alone: also accepts what cannot be compiled yet. True if there is nothing to complain about.
bool checkProgram(SourceManager &sources, Diagnostics &diagnostics, const std::string &path,
                  const FrontendOptions &options, mlir::MLIRContext &context);

// `--emit ast`: the syntax trees of the file and of all that it uses. False after an error.
bool printSyntax(SourceManager &sources, Diagnostics &diagnostics, const std::string &path, llvm::raw_ostream &out);

} // namespace caa
