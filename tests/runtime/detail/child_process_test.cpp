#include <weft/runtime/detail/child_process.h>
#include <weft/runtime/detail/sys.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::detail {
namespace {

child_setup program(std::vector<std::string> words) {
  child_setup setup;
  setup.words = std::move(words);
  return setup;
}

/// Blocks until it has ended: these tests have no runtime.
int code_of(child_process& child) {
  while (!child.try_reap()) sys::wait_readable(child.exit_handle(), -1);
  return child.code();
}

bool is_our_child(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// While it lives, system calls of one kind fail.
template <sys::call Which, int Error>
class failing {
 public:
  failing() {
    sys::interposer.store([](sys::call which, int) noexcept { return which == Which ? Error : 0; },
                          std::memory_order_relaxed);
  }
  ~failing() { sys::interposer.store(nullptr, std::memory_order_relaxed); }
  failing(const failing&) = delete;
  failing& operator=(const failing&) = delete;
};

TEST(ChildProcess, Code_IsThatOfItsExitOrMinusTheSignal) {
  child_process exits(program({"sh", "-c", "exit 7"}));
  child_process dies(program({"sh", "-c", "kill -TERM $$"}));

  EXPECT_EQ(code_of(exits), 7);
  EXPECT_EQ(code_of(dies), -SIGTERM);
  EXPECT_FALSE(is_our_child(exits.pid()));
}

TEST(ChildProcess, ProgramThatCannotStart_IsNamed) {
  const std::int64_t descriptors = sys::open_descriptors();
  try {
    const child_process none(program({"/no/such/program"}));
    FAIL() << "it has started";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
    EXPECT_NE(std::string(error.what()).find("/no/such/program"), std::string::npos);
  }
  try {
    const child_process none(program({"/etc/passwd"}));
    FAIL() << "it has started";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::permission_denied);
  }
  child_setup nowhere = program({"true"});
  nowhere.folder = "/no/such/folder";
  try {
    const child_process none(nowhere);
    FAIL() << "it has started";
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("true in /no/such/folder"), std::string::npos);
  }

  EXPECT_EQ(sys::open_descriptors(), descriptors);
}

TEST(ChildProcess, WordsThatAreNone_AreRefused) {
  EXPECT_THROW(child_process(program({})), std::invalid_argument);
  EXPECT_THROW(child_process(program({"echo", std::string("a\0b", 3)})), std::invalid_argument);
}

TEST(ChildProcess, RunningChildThatIsDropped_IsKilledAndReaped) {
  auto child = std::make_unique<child_process>(program({"sleep", "1000"}));
  const pid_t pid = child->pid();
  EXPECT_TRUE(is_our_child(pid));

  child.reset();

  EXPECT_FALSE(is_our_child(pid));
}

TEST(ChildProcess, Signal_ReachesARunningChildOnly) {
  child_process child(program({"sleep", "1000"}));

  EXPECT_FALSE(child.try_reap());
  EXPECT_TRUE(child.send_signal(SIGTERM));
  EXPECT_EQ(code_of(child), -SIGTERM);
  EXPECT_FALSE(child.send_signal(SIGTERM));
}

TEST(ChildProcess, SignalToAnUnreapedChild_TellsThatItHasEnded) {
  child_process child(program({"true"}));
  sys::wait_readable(child.exit_handle(), -1);

  EXPECT_FALSE(child.send_signal(SIGKILL));
  EXPECT_EQ(code_of(child), 0);
}

TEST(ChildProcess, ChildThatWasLetGo_IsReapedAtALaterStart) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  child_setup waits = program({"cat"});
  waits.streams[0] = {.what = child_stream::kind::descriptor, .fd = ends[0]};
  auto child = std::make_unique<child_process>(waits);
  const pid_t pid = child->pid();
  child->let_go();
  EXPECT_FALSE(child->send_signal(SIGKILL));
  child.reset();
  EXPECT_TRUE(is_our_child(pid));

  ::close(ends[0]);
  ::close(ends[1]);  // the end of its input
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  child_process later(program({"true"}));

  EXPECT_FALSE(is_our_child(pid));
  EXPECT_EQ(code_of(later), 0);
}

TEST(ChildProcess, ChildThatSomebodyElseReaps_HasAnUnknownCode) {
  child_process child(program({"true"}));
  int status = 0;
  ASSERT_EQ(::waitpid(child.pid(), &status, 0), child.pid());

  EXPECT_TRUE(child.try_reap());
  EXPECT_EQ(child.code(), 255);
  EXPECT_FALSE(child.send_signal(SIGKILL));
}

TEST(ChildProcess, FailedStart_LeavesNothing) {
  const std::int64_t descriptors = sys::open_descriptors();
  {
    const failing<sys::call::process_start, EAGAIN> no_process;
    EXPECT_THROW(child_process(program({"true"})), std::system_error);
  }
  {
    const failing<sys::call::process_open, EMFILE> no_descriptor;
    EXPECT_THROW(child_process(program({"sleep", "1000"})), std::system_error);
  }

  EXPECT_EQ(sys::open_descriptors(), descriptors);
  EXPECT_LT(::waitpid(-1, nullptr, WNOHANG), 0);  // no child at all
  EXPECT_EQ(errno, ECHILD);
}

// ---- What a child begins with -------------------------------------------------------------------

/// What the program writes.
std::string output_of(child_setup setup) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  setup.streams[1] = {.what = child_stream::kind::descriptor, .fd = ends[1]};
  child_process child(setup);
  ::close(ends[1]);
  std::string all;
  char bytes[512];
  for (ssize_t count; (count = ::read(ends[0], bytes, sizeof bytes)) > 0;)
    all.append(bytes, static_cast<std::size_t>(count));
  ::close(ends[0]);
  EXPECT_EQ(code_of(child), 0);
  return all;
}

TEST(ChildProcess, Descriptors_AreNotInherited) {
  std::vector<int> open;
  for (int i = 0; i < 100; ++i) open.push_back(::open("/dev/null", O_RDONLY));  // no CLOEXEC

  const std::string seen = output_of(program({"ls", "/proc/self/fd"}));

  for (const int fd : open) ::close(fd);
  EXPECT_EQ(seen, "0\n1\n2\n3\n");  // the last one is the folder itself
}

TEST(ChildProcess, MaskAndSigpipe_AreReset) {
  struct sigaction ignore = {}, before = {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  sigset_t all, mask_before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &mask_before);

  const std::string seen = output_of(program({"grep", "-E", "SigBlk|SigIgn", "/proc/self/status"}));

  pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
  ::sigaction(SIGPIPE, &before, nullptr);
  EXPECT_NE(seen.find("SigBlk:\t0000000000000000"), std::string::npos) << seen;
  const auto ignored = std::stoull(seen.substr(seen.find("SigIgn:\t") + 8), nullptr, 16);
  EXPECT_EQ(ignored & (1u << (SIGPIPE - 1)), 0u) << seen;
}

TEST(ChildProcess, FolderEnvironmentAndSession_AreSet) {
  child_setup setup = program({"sh", "-c", "pwd; echo $WEFT_A; echo ${PATH:-none}; echo $$"});
  setup.words[0] = "/bin/sh";
  setup.folder = "/";
  setup.environment = {"WEFT_A=one two", "PATH="};
  setup.own_environment = true;
  child_setup apart = program({"sh", "-c", "cut -d' ' -f1,6 /proc/$$/stat"});
  apart.new_session = true;

  const std::string seen = output_of(setup);
  const std::string session = output_of(apart);

  EXPECT_EQ(seen.substr(0, seen.find("none") + 4), "/\none two\nnone");
  const std::size_t blank = session.find(' ');
  EXPECT_EQ(session.substr(0, blank) + "\n", session.substr(blank + 1));
}

TEST(ChildProcess, Streams_AreWhatTheSetupSays) {
  child_setup both = program({"sh", "-c", "cat; echo out; echo err >&2"});
  both.streams[0].what = child_stream::kind::null;
  both.streams[2].what = child_stream::kind::output;

  EXPECT_EQ(output_of(both), "out\nerr\n");
}

// ---- Writes into pipes --------------------------------------------------------------------------

TEST(PipeWrite, PipeWithoutReader_IsAnErrorAndNoSignal) {
  int ends[2];
  ASSERT_GE(sys::pipe(ends), 0);
  sys::close(ends[0]);

  EXPECT_EQ(sys::write(ends[1], "x", 1), -EPIPE);  // SIGPIPE has its default here: to die

  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  sys::close(ends[1]);
}

TEST(PipeWrite, SigpipeThatIsPendingAlready_StaysPending) {
  sigset_t pipe_only, before, pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
  ::raise(SIGPIPE);
  int ends[2];
  ASSERT_GE(sys::pipe(ends), 0);
  sys::close(ends[0]);

  EXPECT_EQ(sys::write(ends[1], "x", 1), -EPIPE);

  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 1);
  int taken = 0;
  sigwait(&pipe_only, &taken);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  sys::close(ends[1]);
}

}  // namespace
}  // namespace weft::detail
