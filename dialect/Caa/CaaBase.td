// The dialect, its type constraints and the trait groups that its ops share.
#ifndef CAA_BASE_TD
#define CAA_BASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Caa_Dialect : Dialect {
  let name = "caa";
  let cppNamespace = "::caa";
  let summary = "A language model as tensors, before any buffer exists";
  let description = [{
    Every value lives at one token unless an `attend` mixes tokens.

    | value | type | axes |
    |---|---|---|
    | token-wise | `tensor<?x?xHxNxE>` | batch, length, heads, width |
    | per-head | `tensor<HxNxE>` | heads, width |
    | parameter matrix | `tensor<RxCxf32>`, `tensor<Nxf32>` | as stored |
    | scalar | `tensor<f32>` | a loss, a count |

    E is `f32` for what has a gradient (`bf16` where `store-rounded` has made a rounded value's storage as small as the value), `f64` and `i64` for what is made of positions and constants alone, `i1` for
    truth values, `i32` for the inputs `tokens`, `doc`, `position`. Head counts combine if one divides the other: head
    `h` of `H` reads head `h * H' / H` of an operand with `H'` heads. Widths combine if equal or if one is 1.

    A model is one `func.func @model` whose arguments are its inputs (named by the argument attribute `caa.name`),
    beside `caa.parameter` symbols. Losses, reports and logits leave it through `caa.loss`, `caa.report` and `caa.logits`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::func::FuncDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

class Caa_Op<string mnemonic, list<Trait> traits = []> : Op<Caa_Dialect, mnemonic, traits>;

def Caa_Token : Type<CPred<"::caa::isTokenwise($_self)">, "token-wise value, tensor<?x?xHxNxE>">;
def Caa_TokenF32 : Type<CPred<"::caa::isTokenwise($_self, 32)">, "token-wise value of f32">;
def Caa_TokenReal : Type<CPred<"::caa::isTokenwise($_self, 32) || ::caa::isTokenwise($_self, 16)">, "token-wise value of f32 or bf16">;
def Caa_Head : Type<CPred<"::caa::isPerHead($_self)">, "per-head value, tensor<HxNxE>">;
def Caa_TokenOrHead : AnyTypeOf<[Caa_Token, Caa_Head]>;
def Caa_Matrix : Type<CPred<"::caa::isMatrix($_self)">, "parameter matrix, tensor<RxCxf32>, or its bf16 copy">;
def Caa_Row : Type<CPred<"::caa::isRow($_self)">, "parameter row, tensor<Nxf32>, or its bf16 copy">;
def Caa_Scalar : Type<CPred<"::caa::isScalar($_self)">, "scalar, tensor<f32>">;

#endif
