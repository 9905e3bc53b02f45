// The constants of `--set`: a recursive descent over the language's constant expressions.
#include "runtime/train/settings.h"

#include <cmath>
#include <fmt/format.h>

namespace caa {
namespace {

class Parser {
public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Json> whole() {
    CAA_TRY(Json value, sum());
    skip();
    if (at_ != text_.size())
      return fault("the end");
    return value;
  }

private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t'))
      ++at_;
  }
  bool take(char symbol) {
    skip();
    if (at_ >= text_.size() || text_[at_] != symbol)
      return false;
    ++at_;
    return true;
  }
  Error fault(std::string_view expected) const {
    return usageError(fmt::format("`{}`: expected {} at `{}`", text_, expected, text_.substr(at_)));
  }
  Error notNumber() const { return usageError(fmt::format("`{}`: only numbers can be computed with", text_)); }

  /// Whole results are integers again, as in the language.
  static Json number(double value) {
    if (std::floor(value) == value && std::abs(value) < 0x1p53)
      return Json(int64_t(value));
    return Json(value);
  }

  Result<Json> sum() {
    CAA_TRY(Json left, product());
    for (skip(); at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-'); skip()) {
      bool minus = text_[at_++] == '-';
      CAA_TRY(Json right, product());
      if (!left.is_number() || !right.is_number())
        return notNumber();
      left = number(left.get<double>() + (minus ? -1 : 1) * right.get<double>());
    }
    return left;
  }

  Result<Json> product() {
    CAA_TRY(Json left, power());
    for (skip(); at_ < text_.size() && (text_[at_] == '*' || text_[at_] == '/'); skip()) {
      bool divide = text_[at_++] == '/';
      CAA_TRY(Json right, power());
      if (!left.is_number() || !right.is_number())
        return notNumber();
      double a = left.get<double>(), b = right.get<double>();
      if (divide && b == 0)
        return usageError(fmt::format("`{}` divides by zero", text_));
      left = number(divide ? a / b : a * b);
    }
    return left;
  }

  Result<Json> power() {
    if (take('-')) {
      CAA_TRY(Json value, power());
      if (!value.is_number())
        return notNumber();
      return number(-value.get<double>());
    }
    CAA_TRY(Json base, primary());
    if (!take('^'))
      return base;
    CAA_TRY(Json exponent, power());
    if (!base.is_number() || !exponent.is_number())
      return notNumber();
    return number(std::pow(base.get<double>(), exponent.get<double>()));
  }

  Result<Json> primary() {
    skip();
    if (at_ >= text_.size())
      return fault("a value");
    char first = text_[at_];
    if (take('(')) {
      CAA_TRY(Json value, sum());
      return take(')') ? Result<Json>(value) : fault("`)`");
    }
    if (take('[')) {
      Json list = Json::array();
      while (!take(']')) {
        CAA_TRY(Json value, sum());
        list.push_back(std::move(value));
        if (!take(',') && (skip(), at_ >= text_.size() || text_[at_] != ']'))
          return fault("`,` or `]`");
      }
      return list;
    }
    if (take('"')) {
      size_t end = text_.find('"', at_);
      if (end == std::string_view::npos)
        return fault("a closing quotation mark");
      std::string value(text_.substr(at_, end - at_));
      at_ = end + 1;
      return Json(value);
    }
    if ((first >= '0' && first <= '9') || first == '.')
      return literal();
    return word();
  }

  Result<Json> literal() {
    std::string rest(text_.substr(at_));
    char *end = nullptr;
    double value = std::strtod(rest.c_str(), &end);
    if (end == rest.c_str() || !std::isfinite(value))
      return fault("a number");
    at_ += size_t(end - rest.c_str());
    return number(value);
  }

  static bool isName(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

  /// A bare word may be a path or a file name too; a call makes a record.
  Result<Json> word() {
    size_t begin = at_;
    while (at_ < text_.size() && (isName(text_[at_]) || text_[at_] == '.' || text_[at_] == '/'))
      ++at_;
    std::string name(text_.substr(begin, at_ - begin));
    if (name.empty())
      return fault("a value");
    if (name == "true" || name == "false")
      return Json(name == "true");
    if (!take('('))
      return Json(name);
    Json record = Json::object();
    record["kind"] = name;
    while (!take(')')) {
      skip();
      size_t start = at_;
      while (at_ < text_.size() && isName(text_[at_]))
        ++at_;
      std::string key(text_.substr(start, at_ - start));
      if (!take('=')) { // the one unnamed argument is a group's name
        at_ = start;
        key = "name";
      }
      CAA_TRY(Json value, sum());
      record[key] = std::move(value);
      if (!take(',') && (skip(), at_ >= text_.size() || text_[at_] != ')'))
        return fault("`,` or `)`");
    }
    return record;
  }

  std::string_view text_;
  size_t at_ = 0;
};

} // namespace

Result<Json> parseConstant(std::string_view text) { return Parser(text).whole(); }

} // namespace caa
