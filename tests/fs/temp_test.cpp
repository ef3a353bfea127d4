#include "disk.h"
#include <weft/fs/path_operations.h>
#include <weft/fs/temp.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <fcntl.h>

namespace weft::testing {
namespace {

class Temp : public every_runtime {
 protected:
  scratch_folder folder;

  task<> until_empty() const {
    while (folder.entries() > 0) co_await yield();
  }
};
INSTANTIATE_TEST_SUITE_P(Runtimes, Temp, every_kind(), name_of);

TEST_P(Temp, File_IsOpenForReadingAndWriting) {
  run([this]() -> task<> {
    fs::temp_file file = co_await fs::temp_file::create(folder.path());
    co_await file.write_all("0123");
    std::string got(4, '\0');
    (void)co_await file.read_at(got, 0);

    EXPECT_EQ(got, "0123");
    EXPECT_EQ(scratch_folder::contents(file.path()), "0123");
    EXPECT_EQ(std::filesystem::status(file.path()).permissions(), std::filesystem::perms(0600));
    EXPECT_NE(::fcntl(file.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
  });
}

TEST_P(Temp, FileAndDirectory_GoWithTheirScope) {
  run([this]() -> task<> {
    {
      const fs::temp_file file = co_await fs::temp_file::create(folder.path());
      const fs::temp_directory directory = co_await fs::temp_directory::create(folder.path());
      std::filesystem::create_directories(directory.path() + "/full/of");
      EXPECT_EQ(folder.entries(), 2);
    }

    co_await until_empty();
  });
}

TEST_P(Temp, FileAndDirectory_GoWithAnException) {
  run([this]() -> task<> {
    const auto fails = [this]() -> task<> {
      const fs::temp_file file = co_await fs::temp_file::create(folder.path());
      const fs::temp_directory directory = co_await fs::temp_directory::create(folder.path());
      throw std::runtime_error("failed");
    };

    const auto outcome = co_await catch_all(fails());

    EXPECT_TRUE(outcome.threw<std::runtime_error>());
    co_await until_empty();
  });
}

TEST_P(Temp, FileAndDirectory_GoWithACancelledTask) {
  run([this]() -> task<> {
    const auto waits = [this]() -> task<> {
      const fs::temp_file file = co_await fs::temp_file::create(folder.path());
      const fs::temp_directory directory = co_await fs::temp_directory::create(folder.path());
      cancel_this_task();
      co_await yield();
    };
    auto waiting = spawn(waits);

    const ending ended = co_await end_of(waiting);

    EXPECT_EQ(ended, ending::cancelled);
    co_await until_empty();
  });
}

TEST_P(Temp, RuntimeThatEnds_HasRemovedThem) {
  const auto directory_of = [this]() -> task<> {
    const fs::temp_file file = co_await fs::temp_file::create(folder.path());
    const fs::temp_directory directory = co_await fs::temp_directory::create(folder.path());
  };

  run(directory_of);

  EXPECT_EQ(folder.entries(), 0);
}

TEST_P(Temp, Removal_NeverRunsOnAWorker) {
  run([this]() -> task<> {
    watched_disk disk;
    {
      const fs::temp_file file = co_await fs::temp_file::create(folder.path());
    }
    co_await until_empty();

    EXPECT_EQ(disk.calls_on_workers(), 0);
    EXPECT_GE(disk.calls(call::path_change), 1);
  });
}

TEST_P(Temp, Remove_WaitsForTheRemoval) {
  run([this]() -> task<> {
    fs::temp_file file = co_await fs::temp_file::create(folder.path());
    fs::temp_directory directory = co_await fs::temp_directory::create(folder.path());
    std::filesystem::create_directories(directory.path() + "/full/of");

    co_await file.remove();
    co_await directory.remove();
    co_await directory.remove();  // nothing is left to do

    EXPECT_EQ(folder.entries(), 0);
    EXPECT_EQ(directory.path(), "");
    co_await file.write_all("still open");
  });
}

TEST_P(Temp, RemoveThatFails_SaysSoAndIsDoneLater) {
  run([this]() -> task<> {
    watched_disk disk;
    fs::temp_file file = co_await fs::temp_file::create(folder.path());
    const std::string path = file.path();
    disk.fail(call::path_change, EIO);
    auto removing = file.remove();

    const failure removed = co_await failure_of(std::move(removing));

    EXPECT_EQ(removed.message, "remove " + path + ": Input/output error");
    disk.fail(call::path_change, 0);
  });
}

TEST_P(Temp, Kept_Stays) {
  run([this]() -> task<> {
    std::string path;
    {
      fs::temp_file file = co_await fs::temp_file::create(folder.path());
      path = file.path();
      file.keep();
    }
    fs::temp_directory directory = co_await fs::temp_directory::create(folder.path());
    directory.keep();

    const bool there = co_await fs::exists(path);

    EXPECT_TRUE(there);
    EXPECT_EQ(folder.entries(), 2);
  });
}

TEST_P(Temp, NoFolderNamed_IsTheSystemsOwn) {
  run([]() -> task<> {
    const fs::temp_directory directory = co_await fs::temp_directory::create();

    EXPECT_EQ(std::filesystem::path(directory.path()).parent_path(),
              std::filesystem::temp_directory_path());
  });
}

TEST_P(Temp, Assigned_RemovesWhatItWas) {
  run([this]() -> task<> {
    fs::temp_directory first = co_await fs::temp_directory::create(folder.path());
    fs::temp_directory second = co_await fs::temp_directory::create(folder.path());
    const std::string kept = second.path();

    first = std::move(second);

    while (folder.entries() > 1) co_await yield();
    EXPECT_TRUE(std::filesystem::exists(kept));
  });
}

TEST_P(Temp, FolderThatIsMissing_IsNamed) {
  run([this]() -> task<> {
    const failure file = co_await failure_of(fs::temp_file::create(folder / "none"));
    const failure directory = co_await failure_of(fs::temp_directory::create(folder / "none"));

    EXPECT_EQ(file.message,
              "make a temporary file in " + (folder / "none") + ": No such file or directory");
    EXPECT_EQ(directory.code, std::errc::no_such_file_or_directory);
  });
}

TEST(TempWithoutRuntime, Destroyed_IsRemovedAtOnce) {
  const scratch_folder folder;
  const auto create = [&]() -> task<fs::temp_file> {
    co_return co_await fs::temp_file::create(folder.path());
  };
  {
    const fs::temp_file file = weft::run(create(), {.workers = 1});
    EXPECT_EQ(folder.entries(), 1);
  }
  EXPECT_EQ(folder.entries(), 0);
}

}  // namespace
}  // namespace weft::testing
