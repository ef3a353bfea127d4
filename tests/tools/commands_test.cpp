// The commands of the README, tools/setup, tools/run and tools/test, as far as they can be tried
// without installing or building anything.

#include "running_program.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <unistd.h>

namespace weft::tools {

using namespace testing_support;

namespace {

std::string command(std::string_view name) {
  return std::string(WEFT_COMMANDS_DIR) + '/' + std::string(name);
}

/// A machine as tools/setup sees it: the programs of one folder, most of them made up. What would
/// change the machine is written into a log.
struct SetupCommand : testing::Test {
  void SetUp() override {
    folder = std::filesystem::temp_directory_path() / ("weft-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    for (const char* const name : {"bash", "env"}) {
      std::filesystem::create_symlink(std::string("/usr/bin/") + name, folder / name);
    }
    provide("id", "echo 0");
    provide("apt-get", "echo apt-get \"$*\" >>\"$LOG\"");
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  void provide(const std::string& name, const std::string& body) const {
    std::ofstream(folder / name) << "#!/usr/bin/env bash\n" << body << '\n';
    std::filesystem::permissions(folder / name, std::filesystem::perms::owner_all);
  }

  /// dpkg-query as it is when all packages but one are installed; empty: all of them.
  void install_all_but(const std::string& package) const {
    provide("dpkg-query", "for each in \"${@:2}\"; do [ \"$each\" = \"" + package +
                              "\" ] || printf '%s=installed ' \"$each\"; done; " +
                              (package.empty() ? "true" : "false"));
  }

  finished_program set_up() const {
    return run_program("/usr/bin/env",
                       {"-i", "PATH=" + folder.string(), "LOG=" + log_path(), command("setup")});
  }

  std::string log_path() const { return (folder / "log").string(); }
  std::string log() const { return read_file(log_path()); }

  std::filesystem::path folder;
};

}  // namespace

TEST_F(SetupCommand, NothingMissing_SaysAndDoesNothing) {
  install_all_but("");

  const finished_program ended = set_up();

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.out + ended.errors + log(), "");
}

TEST_F(SetupCommand, MissingPackage_IsInstalled) {
  install_all_but("ninja-build");

  const finished_program ended = set_up();

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_TRUE(contains(ended.errors, "missing: ninja-build\n")) << ended.errors;
  EXPECT_TRUE(contains(log(), " update\n")) << log();
  EXPECT_TRUE(log().ends_with(" install -y --no-install-recommends ninja-build\n")) << log();
}

TEST_F(SetupCommand, OrdinaryUser_InstallsWithSudo) {
  install_all_but("cmake");
  provide("id", "echo 1000");
  provide("sudo", "echo sudo >>\"$LOG\"; exec \"$@\"");

  const finished_program ended = set_up();

  EXPECT_EQ(ended.exit_code, 0) << ended.errors;
  EXPECT_TRUE(contains(log(), "sudo\napt-get ")) << log();
}

TEST_F(SetupCommand, OrdinaryUserWithoutSudo_IsToldWhatToInstall) {
  install_all_but("cmake");
  provide("id", "echo 1000");

  const finished_program ended = set_up();

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(contains(ended.errors, "apt-get install cmake")) << ended.errors;
  EXPECT_EQ(log(), "");
}

TEST_F(SetupCommand, FailedInstallation_IsAnError) {
  install_all_but("cmake");
  provide("apt-get", "exit 100");

  const finished_program ended = set_up();

  EXPECT_EQ(ended.exit_code, 1);
  EXPECT_TRUE(contains(ended.errors, "could not install: cmake")) << ended.errors;
}

TEST_F(SetupCommand, SystemWithoutPackages_NeedsTheCommandsOnly) {
  std::filesystem::remove(folder / "apt-get");
  EXPECT_EQ(set_up().exit_code, 1);

  for (const char* const name :
       {"clang++-19", "clang-format-19", "ld.lld-19", "llvm-ar-19", "g++", "cmake", "ninja"}) {
    provide(name, "true");
  }
  const finished_program ended = set_up();

  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.out + ended.errors, "");
}

TEST(RunCommand, List_NamesThePrograms) {
  const finished_program ended = run_program(command("run"), {"--list"});

  EXPECT_EQ(ended.exit_code, 0);
  for (const char* const name : {"weft-demo\n", "weft-echo\n", "weft-httpd\n", "weft-load\n"}) {
    EXPECT_TRUE(contains(ended.out, name)) << ended.out;
  }
}

TEST(RunCommand, UnknownName_IsNamedBesideThoseThatExist) {
  const finished_program ended = run_program(command("run"), {"weft-nothing"});

  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_TRUE(contains(ended.errors, "weft-nothing")) << ended.errors;
  EXPECT_TRUE(contains(ended.errors, "weft-echo\n")) << ended.errors;
}

TEST(Commands, BadArguments_AreNamed) {
  const finished_program run = run_program(command("run"), {"--wrong"});
  const finished_program test = run_program(command("test"), {"--preset", "wrong"});
  const finished_program setup = run_program(command("setup"), {"--wrong"});

  EXPECT_EQ(run.exit_code, 2);
  EXPECT_TRUE(contains(run.errors, "--wrong")) << run.errors;
  EXPECT_EQ(test.exit_code, 2);
  EXPECT_TRUE(contains(test.errors, "wrong")) << test.errors;
  EXPECT_EQ(setup.exit_code, 2);
  EXPECT_TRUE(contains(setup.errors, "--wrong")) << setup.errors;
}

TEST(Commands, Help_IsPrintedAndSucceeds) {
  for (const char* const name : {"run", "test", "setup"}) {
    const finished_program ended = run_program(command(name), {"--help"});
    EXPECT_EQ(ended.exit_code, 0);
    EXPECT_TRUE(ended.out.starts_with("usage: tools/")) << ended.out;
    EXPECT_EQ(ended.errors, "");
  }
}

}  // namespace weft::tools
