/* The contract between the compiler (which writes a .so) and the runtime (which loads it). Freestanding C.

   A .so exports one symbol, `caa_query`. It returns the image: one block of read-only bytes that starts with a
   caa_header. Everything in the image is addressed by offsets from its first byte, nothing is relocated, so that
   `caa-run inspect` reads the same bytes from the ELF section ".caa.image" without loading any code. The section
   ".caa.seal" holds the SHA-256 of the whole file with its own 32 bytes taken as zero; it is checked before dlopen.

   Sizes are functions of the batch B (rows of tokens) and the length T: sums of caa_term. Nothing is recompiled when B or T
   changes. All sizes are evaluated in checked signed 64-bit arithmetic.

   What a program does is data: an entry point is a range of commands (kernel launches, matrix products, fills, one level of
   loop over chunks of tokens), each naming buffers. Buffers of kind CAA_BUFFER_ARENA live from `first_command` to
   `last_command` of their entry; the runtime plans one arena from that.

   A file holds one program per target. Parameters, losses and reports are the same for all; entries and kernels each belong to
   one target, and an entry launches kernels of its own target only. */
#ifndef CAA_ABI_H
#define CAA_ABI_H

#include <stdint.h>

#define CAA_ABI_MAGIC 0x31414143u /* "CAA1", little-endian */
#define CAA_ABI_VERSION 2u

/* ---- The image ------------------------------------------------------------------------------------------------- */

/* `count` records of `stride` bytes at `offset` from the image's first byte. */
typedef struct caa_table {
  uint64_t offset;
  uint32_t count;
  uint32_t stride;
} caa_table;

/* Text: `size` bytes at `offset` of the image, followed by a NUL that `size` leaves out. */
typedef struct caa_text {
  uint64_t offset;
  uint64_t size;
} caa_text;

enum caa_target { CAA_TARGET_CPU = 1u, CAA_TARGET_SM80 = 2u, CAA_TARGET_SM90A = 4u };

typedef struct caa_header {
  uint32_t magic;       /* CAA_ABI_MAGIC */
  uint32_t abi_version; /* CAA_ABI_VERSION */
  uint32_t header_size; /* sizeof(caa_header) */
  uint32_t targets;     /* bits of caa_target: those that have entries */
  uint64_t image_size;  /* bytes */
  uint8_t source_sha256[32];
  caa_text compiler;    /* version of caac */
  caa_text model_name;
  caa_text source;      /* the .mdl text, files one after the other */
  caa_text settings;    /* JSON: resolved parameters {"model": {...}, "train": {...}} */
  caa_text plain_form;  /* JSON: the model before autodiff, for the oracle; docs/plain-form.md */
  caa_text final_ir;    /* the last IR before code generation, of each target */
  caa_text analysis;    /* JSON: what the compiler found out, such as the scores that each attention visits by length */
  caa_table terms;      /* caa_term */
  caa_table parameters; /* caa_parameter */
  caa_table buffers;    /* caa_buffer */
  caa_table kernels;    /* caa_kernel */
  caa_table operands;   /* caa_operand */
  caa_table commands;   /* caa_command */
  caa_table entries;    /* caa_entry */
  caa_table values;     /* caa_value: named inputs and outputs of entries */
  caa_table losses;     /* caa_loss, by the index of the loss */
  caa_table reports;    /* caa_report */
  caa_table modules;    /* caa_module: PTX and cubin */
  caa_table tensor_maps; /* caa_tensor_map */
} caa_header;

/* The exported symbol. Null if max_version is older than the image. */
typedef const caa_header *(*caa_query_fn)(uint32_t max_version);

/* ---- Sizes ------------------------------------------------------------------------------------------------------ */

/* coefficient * ceil(B^batch_power * ceil(T / length_divisor)^length_power * R^rows_power / divisor), where R is the
   number of token rows that a kernel sees: B T, or the rows of the present chunk in a loop. */
typedef struct caa_term {
  int64_t coefficient;
  int64_t length_divisor; /* >= 1 */
  int64_t divisor;        /* >= 1 */
  uint8_t batch_power;
  uint8_t length_power;
  uint8_t rows_power;
  uint8_t reserved[5];
} caa_term;

/* The sum of terms [first, first + count). */
typedef struct caa_size {
  uint32_t first;
  uint32_t count;
} caa_size;

/* ---- Parameters and buffers --------------------------------------------------------------------------------------- */

enum caa_dtype { CAA_F32 = 0, CAA_F64 = 1, CAA_I32 = 2, CAA_I64 = 3, CAA_BOOL = 4, CAA_BF16 = 5 };
enum caa_init { CAA_INIT_ZEROS = 0, CAA_INIT_ONES = 1, CAA_INIT_NORMAL = 2, CAA_INIT_UNIFORM = 3 };

/* A trained parameter, fp32, row-major. Its master value and its gradient lie at `offset` (in elements, a multiple of 16)
   of two arenas of the same layout, which the runtime owns; so do its moments and, where an entry has CAA_BUFFER_PARAMETER_BF16,
   its copy rounded to bf16, which the runtime makes whenever it sets parameters and the entry "update" keeps. An arena ends at the
   end of its last parameter, rounded up to a multiple of 16 elements. Those of an export NAME are called `NAME:path`: they belong
   to that export alone, and training the model leaves them out. */
typedef struct caa_parameter {
  caa_text name;
  caa_text group;      /* optimizer group, "" for none */
  int64_t shape[4];
  uint32_t rank;
  uint32_t init;       /* caa_init */
  double init_a;       /* normal: mean; uniform: low */
  double init_b;       /* normal: deviation; uniform: high */
  double low, high;    /* clamp after each step; -inf and +inf for none */
  uint64_t offset;     /* elements */
  uint64_t elements;
  uint32_t decay;      /* 1: weight decay falls on it */
  uint32_t group_number; /* 0: no group; else groups count from 1 in the order in which this table first names them */
} caa_parameter;

enum caa_buffer_kind {
  CAA_BUFFER_ARENA = 0,      /* lives from first_command to last_command of one entry */
  CAA_BUFFER_PARAMETER = 1,  /* the value of parameter `index` */
  CAA_BUFFER_GRADIENT = 2,   /* the gradient of parameter `index`; commands add to it */
  CAA_BUFFER_VALUE = 3,      /* the named input or output `index` (caa_value), owned by the caller */
  CAA_BUFFER_LOSS_SCALE = 4, /* f32[losses]: 1 / count over the whole step, set by the runtime */
  CAA_BUFFER_LOSS_SUM = 5,   /* f64[losses]: commands add scale * sum; the runtime clears it per step */
  CAA_BUFFER_LOSS_COUNT = 6, /* f64[losses]: commands of "loss_counts" add the number of (token, head) pairs */
  CAA_BUFFER_REPORT = 7,     /* f64[reports][5]: count, sum, sum of squares, least, most; updated by commands */
  CAA_BUFFER_CONSTANT = 8,   /* bytes of the image at `index` */
  /* On GPUs only. The whole arenas and the optimizer's state are for the entry "update"; `index` is 0. */
  CAA_BUFFER_PARAMETER_BF16 = 9,   /* the copy of parameter `index`, rounded to bf16 */
  CAA_BUFFER_PARAMETERS = 10,      /* the arena of values, f32 */
  CAA_BUFFER_GRADIENTS = 11,       /* that of gradients, f32 */
  CAA_BUFFER_MOMENT1 = 12,         /* that of first moments, f32 */
  CAA_BUFFER_MOMENT2 = 13,         /* that of second moments, f32 */
  CAA_BUFFER_PARAMETERS_BF16 = 14, /* that of rounded copies, bf16, at the same element offsets */
  CAA_BUFFER_OPTIMIZER = 15        /* one caa_optimizer_state */
};

typedef struct caa_buffer {
  caa_text name;          /* for people; may be empty */
  uint32_t kind;          /* caa_buffer_kind */
  uint32_t dtype;         /* caa_dtype */
  uint64_t index;
  caa_size bytes;
  uint32_t first_command; /* arena only: absolute indices into `commands` */
  uint32_t last_command;
} caa_buffer;

/* A place in a buffer: byte offset `offset`, moved by `row_bytes` times the first row of the present chunk in a loop. */
typedef struct caa_operand {
  uint32_t buffer;
  uint32_t reserved;
  int64_t offset;
  int64_t row_bytes;
} caa_operand;

/* ---- Kernels ------------------------------------------------------------------------------------------------------- */

/* What a CPU kernel is called with: buffers[n] is operand n; sizes are {B, T, R, first row of the chunk}. It does the
   work items [begin, end) of its grid. `scratch` is the calling thread's own, 64-byte aligned, kernel.scratch bytes. */
enum { CAA_SIZE_BATCH = 0, CAA_SIZE_LENGTH = 1, CAA_SIZE_ROWS = 2, CAA_SIZE_FIRST_ROW = 3, CAA_SIZE_COUNT = 4 };
typedef void (*caa_cpu_kernel)(void *const *buffers, const int64_t *sizes, int64_t begin, int64_t end, void *scratch);

/* What a GPU kernel is launched with, as its parameters in this order:
     one pointer to global memory per operand;
     i64 B, T, R, first row of the chunk, items (the value of `grid`);
     if counters > 0, a pointer to that many u32, which are zero when the module is loaded and which the kernel leaves zero;
     one tensor map (128 bytes, 64-byte aligned) each of the `tensor_map_count` ones from `first_tensor_map` on.
   Blocks are one-dimensional, of `threads` threads and `shared_bytes` of dynamic shared memory. blocks_per_sm 0: the launch has
   a block per item; n: persistent blocks, min(items, n * multiprocessors) of them. No item, no launch. */
enum { CAA_MOST_LAUNCH_BYTES = 4096 }; /* of all parameters of a launch */

typedef struct caa_kernel {
  caa_text name;         /* for a GPU, the symbol in the target's modules */
  caa_text location;     /* file:line of the .mdl text it comes from */
  caa_size grid;         /* work items; each is done whole by one thread (CPU) or block (GPU), in any order */
  caa_size scratch;      /* CPU: bytes per thread (R as in the launch) */
  int64_t cpu_avx2;      /* CPU: address of the code minus the address of the image's first byte; 0: none */
  int64_t cpu_avx512;
  double flops_per_item; /* an estimate, for inspect and bench; 0 if unknown */
  uint32_t tile_queries; /* attention kernels: tile sizes and what `inspect` needs to count visited scores */
  uint32_t tile_keys;
  uint32_t target;       /* one caa_target */
  uint32_t threads;      /* from here on for GPUs; 0 for the CPU */
  uint32_t shared_bytes;
  uint32_t blocks_per_sm;
  uint32_t counters;
  uint32_t first_tensor_map;
  uint32_t tensor_map_count;
  uint32_t registers;    /* per thread, and the bytes that did not fit, as the assembler told; 0 if it was not at hand */
  uint32_t spill_bytes;
  uint32_t reserved;
} caa_kernel;

/* How a kernel sees operand `operand` through TMA: the buffer [B, T, heads, width] as a tensor of rank 4 with sizes
   {width, heads, T, B} (innermost first), densely stored, and boxes {box_width, 1, box_rows, 1}. Rows beyond T read as zero and
   are not written. The operand does not move with the chunks of a loop. */
typedef struct caa_tensor_map {
  uint32_t operand;
  uint32_t dtype;    /* CAA_F32 or CAA_BF16 */
  int64_t heads, width;
  uint32_t box_width, box_rows; /* 1 to 256 */
  uint32_t swizzle;  /* bytes: 0, 32, 64 or 128 */
  uint32_t reserved;
} caa_tensor_map;

/* GPU code: PTX is NUL-terminated text. At most one of each kind for a target; the PTX can always be used. */
enum caa_module_kind { CAA_MODULE_PTX = 0, CAA_MODULE_CUBIN = 1 };
typedef struct caa_module {
  caa_text code;
  uint32_t kind;
  uint32_t target; /* one caa_target */
} caa_module;

/* ---- The optimizer on a GPU ------------------------------------------------------------------------------------------ */

/* Lies in device memory. The runtime writes all of it before the first step and what a step changes before each; what kernels of
   "update" write is said. An update is, per element with gradient g * scale of its group: AdamW with bias corrections, decay of
   lr * lr_factor * weight_decay where the parameter decays, then the clamp. */
enum { CAA_OPTIMIZER_GROUPS = 16 };

typedef struct caa_optimizer_group {
  float lr_factor;
  float weight_decay;
  float clip;         /* the largest norm; used in groups that `norm` names */
  uint32_t norm;      /* the group whose gradients' norm this one is clipped by: 0 (shared) or itself */
  double sum_squares; /* written: of the gradients of all groups whose `norm` is this one; else 0 */
  float scale;        /* written: min(1, clip / (norm + 1e-6)) of group `norm` */
  uint32_t reserved;
} caa_optimizer_group;

typedef struct caa_optimizer_state {
  uint64_t step;           /* updates so far and this one: 1 for the first */
  float lr;
  float beta1, beta2, eps;
  float first_correction;  /* 1 / (1 - beta1^step) */
  float second_correction; /* 1 / (1 - beta2^step) */
  uint32_t skip;           /* written: 1 if a norm or a loss sum of this step is not finite; then nothing else is changed but that
                              gradients become zero */
  uint32_t skipped;        /* written: steps skipped one after the other up to now, 0 after a good one */
  caa_optimizer_group groups[CAA_OPTIMIZER_GROUPS]; /* by caa_parameter.group_number */
} caa_optimizer_state;

/* ---- Schedules ----------------------------------------------------------------------------------------------------- */

enum caa_command_kind {
  CAA_COMMAND_KERNEL = 0,  /* launch kernel `index` with operands */
  CAA_COMMAND_PRODUCT = 1, /* operands A, B, D and, on GPUs, maybe C: D = alpha op(A) op(B) + beta C, row-major; C is D
                              if absent */
  CAA_COMMAND_FILL = 2,    /* operand 0: set `m` bytes to zero */
  CAA_COMMAND_LOOP = 3,    /* run the next `index` commands for each chunk of `chunk` rows of B T */
  CAA_COMMAND_COPY = 4     /* operand 1 to operand 0, `m` bytes */
};

typedef struct caa_command {
  uint32_t kind;          /* caa_command_kind */
  uint32_t index;         /* kernel number, or number of commands in the loop's body */
  uint32_t first_operand;
  uint32_t operand_count;
  caa_size m, n, k;       /* product: D is [m, n], op(A) [m, k], op(B) [k, n]; fill and copy: m is a byte count */
  int64_t lda, ldb, ldc;  /* row strides in elements of A, B and both C and D as stored */
  float alpha, beta;
  uint32_t transpose_a;   /* 1: A is stored [k, m] */
  uint32_t transpose_b;   /* 1: B is stored [n, k] */
  int64_t chunk;          /* loop: rows per chunk */
  caa_text location;      /* file:line of the .mdl text, for errors and bench */
  uint32_t a_dtype, b_dtype; /* product: CAA_F32 or, on GPUs, CAA_BF16; sums are in fp32 */
  uint32_t c_dtype;       /* of both C and D */
  uint32_t reserved;
} caa_command;

/* Entries of a model, for each target: "micro_step" (forward, backward, gradients added), "eval_step" (losses), "logits"
   (forward to the value "logits"), "loss_counts"; on GPUs "update" (norms, optimizer, rounded copies; gradients become
   zero) and, if any entry reads rounded copies, "refresh" (makes them from the parameters). Per export NAME: "NAME.forward", "NAME.gradient" (adds the parameters' gradients; takes
   d_<result>, and d_<loss> [1, 1] for each named loss; gives d_<input>), and, if it has losses, "NAME.loss_counts". */
typedef struct caa_entry {
  caa_text name;
  uint32_t first_command, command_count;
  uint32_t first_buffer, buffer_count; /* every buffer that the commands name lies in this range */
  uint32_t first_value, value_count;   /* inputs, then outputs */
  uint32_t target;                     /* one caa_target; names are unique within it */
  uint32_t reserved;
} caa_entry;

/* A named input or output of an entry: [batch, length, heads, width], or a matrix without the first two (per_token 0). */
enum caa_direction { CAA_INPUT = 0, CAA_OUTPUT = 1 };
typedef struct caa_value {
  caa_text name;      /* "tokens", "position", "doc", "q", "d_q", "out", "logits", ... */
  uint32_t direction; /* caa_direction */
  uint32_t dtype;     /* caa_dtype; tokens, position and doc are CAA_I32 */
  int64_t heads, width;
  uint32_t per_token;
  uint32_t reserved;
} caa_value;

/* A loss op: adds to the loss `name` (the model's own is "loss"); `heads` values per token are counted. */
typedef struct caa_loss {
  caa_text name;
  int64_t heads;
} caa_loss;

typedef struct caa_report {
  caa_text name; /* "gate" */
  caa_text path; /* "model.layers.0.self_attn" */
} caa_report;

/* ---- Pinned sizes --------------------------------------------------------------------------------------------------- */

#ifdef __cplusplus
#define CAA_PIN(type, size) static_assert(sizeof(type) == (size), #type " has changed: raise CAA_ABI_VERSION")
#else
#define CAA_PIN(type, size) _Static_assert(sizeof(type) == (size), #type " has changed: raise CAA_ABI_VERSION")
#endif
CAA_PIN(caa_table, 16);
CAA_PIN(caa_text, 16);
CAA_PIN(caa_header, 360);
CAA_PIN(caa_term, 32);
CAA_PIN(caa_size, 8);
CAA_PIN(caa_parameter, 128);
CAA_PIN(caa_buffer, 48);
CAA_PIN(caa_operand, 24);
CAA_PIN(caa_kernel, 120);
CAA_PIN(caa_tensor_map, 40);
CAA_PIN(caa_module, 24);
CAA_PIN(caa_optimizer_group, 32);
CAA_PIN(caa_optimizer_state, 552);
CAA_PIN(caa_command, 120);
CAA_PIN(caa_entry, 48);
CAA_PIN(caa_value, 48);
CAA_PIN(caa_loss, 24);
CAA_PIN(caa_report, 32);

#endif
