#include <weft/runtime/detail/code_name.h>
#include <weft/runtime/task.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>  // program_invocation_short_name
#include <cstdlib>
#include <string>

namespace weft::detail {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(CodeName, FunctionOfASharedLibrary_HasItsName) {
  const std::string name = code_name(reinterpret_cast<const void*>(&std::abort));

  EXPECT_THAT(name, StartsWith("abort ["));  // in the C library, or in a sanitizer before it
}

TEST(CodeName, FunctionOfTheProgram_HasAnAddressForAddr2line) {
  const std::string name = code_name(reinterpret_cast<const void*>(&code_name));

  EXPECT_THAT(name, HasSubstr(program_invocation_short_name + std::string("+0x")));
}

TEST(CodeName, NoCode_IsUnknown) {
  EXPECT_EQ(code_name(nullptr), "unknown code");
}

task<int> seven() {
  co_return 7;
}

TEST(CodeName, CodeOfACoroutine_LiesInTheProgram) {
  const auto frame = seven().release();

  const std::string name = code_name(code_of(frame.address()));

  EXPECT_THAT(name, HasSubstr(program_invocation_short_name + std::string("+0x")));
  frame.destroy();
}

}  // namespace
}  // namespace weft::detail
