#include "result.h"

namespace weft::detail {

std::error_code error_code_of(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::system_error& failed) {
    return failed.code();
  } catch (...) {  // any other type has no code
    return {};
  }
}

}  // namespace weft::detail
