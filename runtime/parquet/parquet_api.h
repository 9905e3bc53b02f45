/* What libcaa_parquet.so offers: one column of strings out of Parquet files. Plain C, so that caa-run can load the
 * library at run time and needs neither Arrow's headers nor Arrow itself.
 *
 * Functions that return int give 0, or 1 and a message (NUL-terminated, cut to `capacity`) that says what is wrong in
 * the file but not the file's name. A file may be read by several threads at once; the rows of a group by one. Nothing
 * throws.
 */
#ifndef CAA_PARQUET_API_H
#define CAA_PARQUET_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CAA_PARQUET_VERSION 1

typedef struct caa_parquet_file caa_parquet_file;
typedef struct caa_parquet_rows caa_parquet_rows;

/* Takes one row's string; the bytes live until it returns. */
typedef void (*caa_parquet_take)(void *context, const char *bytes, size_t size);

typedef struct caa_parquet_api {
  uint32_t version; /* CAA_PARQUET_VERSION */
  /* Opens a file and finds `column`, which must hold strings. */
  int (*open)(const char *path, const char *column, caa_parquet_file **file, char *error, size_t capacity);
  void (*close)(caa_parquet_file *file);
  int64_t (*group_count)(const caa_parquet_file *file);
  /* Of a row group: bytes in the file (all columns), and bytes of the column's strings, decompressed. */
  void (*group_size)(const caa_parquet_file *file, int64_t group, int64_t *stored, int64_t *text);
  /* Starts to read a row group; the file must outlive its rows. */
  int (*open_rows)(caa_parquet_file *file, int64_t group, caa_parquet_rows **rows, char *error, size_t capacity);
  void (*close_rows)(caa_parquet_rows *rows);
  /* Hands on rows in order until about `bytes` of strings were taken or the group ends, which sets `*more` to 0. A null
   * is an error. Only what is handed on and a page of the file are in memory. */
  int (*read)(caa_parquet_rows *rows, size_t bytes, caa_parquet_take take, void *context, int *more, char *error,
              size_t capacity);
} caa_parquet_api;

/* The library's only symbol. */
const caa_parquet_api *caa_parquet(void);
typedef const caa_parquet_api *(*caa_parquet_fn)(void);

#ifdef __cplusplus
}
#endif
#endif
