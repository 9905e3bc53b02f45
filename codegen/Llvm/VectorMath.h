// f32 functions on vectors, without calls: range reduction with fma and a polynomial each. Errors in units in the last
// place (against float64, all of f32's range): exp, exp2, log, log1p, expm1, sigmoid 2; tanh, softplus, log2 3; erf 4.
// Special values (NaN, infinities, zeros) follow the C library. Coefficients are minimax fits on the reduced ranges.
#pragma once

#include "codegen/Llvm/Code.h"

namespace caa::emit {

Value emitExp(Code &code, Value x);
Value emitExp2(Code &code, Value x);
Value emitExpm1(Code &code, Value x);
Value emitLog(Code &code, Value x);
Value emitLog2(Code &code, Value x);
Value emitLog1p(Code &code, Value x);
Value emitTanh(Code &code, Value x);
Value emitSigmoid(Code &code, Value x);  ///< 1 / (1 + e^-x)
Value emitSoftplus(Code &code, Value x); ///< log(1 + e^x)
Value emitErf(Code &code, Value x);
Value emitAbs(Code &code, Value x);
Value emitCopySign(Code &code, Value magnitude, Value sign);

} // namespace caa::emit
