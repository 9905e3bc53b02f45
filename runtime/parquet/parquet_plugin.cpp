// libcaa_parquet.so: parquet_api.h over Apache Arrow's C++ library. The only file that sees Arrow.
//
// Pages are read through a buffer of a megabyte and decoded one at a time, so that neither a column chunk nor a row
// group of any size has to fit in memory. Arrow reports damage by exceptions; all end here, as messages.
#include "runtime/parquet/parquet_api.h"

#include <algorithm>
#include <array>
#include <arrow/io/file.h>
#include <cstring>
#include <exception>
#include <memory>
#include <parquet/column_reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/schema.h>
#include <stdexcept>
#include <string>

struct caa_parquet_file {
  std::unique_ptr<parquet::ParquetFileReader> reader;
  int column = -1;
};

struct caa_parquet_rows {
  std::shared_ptr<parquet::RowGroupReader> group;
  std::shared_ptr<parquet::ByteArrayReader> column;
  int64_t index = 0, rows = 0, done = 0;
  int16_t present = 0; // the definition level of a row that is not null
};

namespace {

/// Runs `body`; what it throws becomes the message.
template <typename Body> int guarded(char *error, size_t capacity, Body body) {
  std::string message;
  try {
    body();
    return 0;
  } catch (const std::bad_alloc &) {
    message = "there is not enough memory for what the file asks for (is it damaged?)";
  } catch (const std::exception &caught) {
    message = caught.what();
  } catch (...) {
    message = "Arrow failed without a reason";
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  size_t size = std::min(message.size(), capacity - 1);
  std::memcpy(error, message.data(), size);
  error[size] = '\0';
  return 1;
}

/// The index of the leaf `name`, which must be a string in each row.
int findColumn(const parquet::SchemaDescriptor &schema, const std::string &name) {
  std::string others;
  for (int i = 0; i < schema.num_columns(); ++i) {
    const auto *column = schema.Column(i);
    std::string path = column->path()->ToDotString();
    if (path == name) {
      const auto &type = column->logical_type();
      bool text = column->physical_type() == parquet::Type::BYTE_ARRAY &&
                  (!type || type->is_none() || type->is_string()) && column->max_repetition_level() == 0;
      if (!text)
        throw std::runtime_error(
            "the column `" + name + "` does not hold strings but " +
            (type && !type->is_none() ? type->ToString() : parquet::TypeToString(column->physical_type())));
      return i;
    }
    if (path.rfind(name + ".", 0) == 0)
      throw std::runtime_error("the column `" + name + "` does not hold strings but lists or records");
    if (i < 20)
      others += (others.empty() ? "" : ", ") + path;
  }
  throw std::runtime_error("there is no column `" + name + "`; its columns are: " + (others.empty() ? "none" : others));
}

int openFile(const char *path, const char *column, caa_parquet_file **file, char *error, size_t capacity) {
  return guarded(error, capacity, [&] {
    parquet::ReaderProperties properties;
    properties.enable_buffered_stream();
    properties.set_buffer_size(1 << 20);
    properties.set_page_checksum_verification(true); // where the writer left checksums
    auto input = arrow::io::ReadableFile::Open(path);
    if (!input.ok())
      throw std::runtime_error(input.status().message());
    auto opened = std::make_unique<caa_parquet_file>();
    opened->reader = parquet::ParquetFileReader::Open(*input, properties);
    opened->column = findColumn(*opened->reader->metadata()->schema(), column);
    *file = opened.release();
  });
}

void closeFile(caa_parquet_file *file) { delete file; }

int64_t groupCount(const caa_parquet_file *file) { return file->reader->metadata()->num_row_groups(); }

void groupSize(const caa_parquet_file *file, int64_t group, int64_t *stored, int64_t *text) {
  *stored = *text = 0;
  char ignored[1];
  guarded(ignored, sizeof ignored, [&] { // a damaged chunk is reported when its rows are read
    auto metadata = file->reader->metadata()->RowGroup(int(group));
    for (int i = 0; i < metadata->num_columns(); ++i)
      *stored += std::max<int64_t>(0, metadata->ColumnChunk(i)->total_compressed_size());
    *text = std::max<int64_t>(0, metadata->ColumnChunk(file->column)->total_uncompressed_size());
  });
}

/// Puts "row group 3: " in front of what goes wrong inside.
template <typename Body> void inGroup(int64_t group, Body body) {
  try {
    body();
  } catch (const std::bad_alloc &) {
    throw;
  } catch (const std::exception &error) {
    throw std::runtime_error("row group " + std::to_string(group) + ": " + error.what());
  }
}

int openRows(caa_parquet_file *file, int64_t group, caa_parquet_rows **rows, char *error, size_t capacity) {
  return guarded(error, capacity, [&] {
    inGroup(group, [&] {
      auto opened = std::make_unique<caa_parquet_rows>();
      opened->index = group;
      opened->group = file->reader->RowGroup(int(group));
      opened->rows = opened->group->metadata()->num_rows();
      opened->column = std::dynamic_pointer_cast<parquet::ByteArrayReader>(opened->group->Column(file->column));
      if (!opened->column)
        throw std::runtime_error("its column does not hold strings");
      opened->present = opened->column->descr()->max_definition_level();
      *rows = opened.release();
    });
  });
}

void closeRows(caa_parquet_rows *rows) { delete rows; }

void readRows(caa_parquet_rows &rows, size_t bytes, caa_parquet_take take, void *context) {
  constexpr int64_t atOnce = 256;
  std::array<int16_t, atOnce> levels;
  std::array<parquet::ByteArray, atOnce> values; // point into the page until the next call
  size_t taken = 0;
  while (rows.done < rows.rows && taken < bytes) {
    int64_t found = 0, wanted = std::min(atOnce, rows.rows - rows.done);
    int64_t read =
        rows.column->HasNext() ? rows.column->ReadBatch(wanted, levels.data(), nullptr, values.data(), &found) : 0;
    if (read == 0)
      throw std::runtime_error("its column ends after " + std::to_string(rows.done) + " of " +
                               std::to_string(rows.rows) + " rows");
    for (int64_t i = 0; rows.present > 0 && i < read; ++i)
      if (levels[size_t(i)] < rows.present)
        throw std::runtime_error("row " + std::to_string(rows.done + i) + " has no text (null)");
    if (found != read)
      throw std::runtime_error("a page has " + std::to_string(found) + " strings for " + std::to_string(read) +
                               " rows");
    for (int64_t i = 0; i < found; ++i) {
      const auto &value = values[size_t(i)];
      take(context, reinterpret_cast<const char *>(value.ptr), value.len);
      taken += value.len;
    }
    rows.done += read;
  }
}

int readSome(caa_parquet_rows *rows, size_t bytes, caa_parquet_take take, void *context, int *more, char *error,
             size_t capacity) {
  return guarded(error, capacity, [&] {
    inGroup(rows->index, [&] { readRows(*rows, bytes, take, context); });
    *more = rows->done < rows->rows;
  });
}

constexpr caa_parquet_api api{CAA_PARQUET_VERSION, openFile, closeFile, groupCount,
                              groupSize,           openRows, closeRows, readSome};

} // namespace

extern "C" __attribute__((visibility("default"))) const caa_parquet_api *caa_parquet(void) { return &api; }
