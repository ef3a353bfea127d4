#include "step_trace.h"

#include "task_state.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <map>
#include <new>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace weft::detail {
namespace {

std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

int create(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "trace " + path);
  return fd;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char each : text) {
    if (each == '"' || each == '\\') out += '\\';
    out += static_cast<unsigned char>(each) < ' ' ? ' ' : each;
  }
  return out + '"';
}

/// The format counts in microseconds.
std::string microseconds(std::uint64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%llu.%03llu", static_cast<unsigned long long>(ns / 1000),
                static_cast<unsigned long long>(ns % 1000));
  return text;
}

std::string metadata(const char* what, std::size_t worker, std::string_view name) {
  return std::string(R"({"ph":"M","pid":1,"tid":)") + std::to_string(worker) + R"(,"name":")" +
         what + R"(","args":{"name":)" + quoted(name) + "}}";
}

/// Text for each place once: looking a name up costs more than all else here.
class place_names {
 public:
  const std::string& of(const resume_point& place) {
    const auto key =
        std::pair(place.code, std::pair(place.await_site.file_name(), place.await_site.line()));
    auto [found, is_new] = known_.try_emplace(key);
    if (is_new) found->second = quoted(place.text());
    return found->second;
  }

 private:
  std::map<std::pair<const void*, std::pair<const char*, std::uint_least32_t>>, std::string> known_;
};

}  // namespace

step_trace::step_trace(std::string path, std::string process, unsigned workers,
                       std::size_t steps_max)
    : path_(std::move(path)),
      process_(std::move(process)),
      started_(now_ns()),
      steps_max_(steps_max),
      fd_(create(path_)),
      rows_(workers) {}

step_trace::~step_trace() {
  try {
    write();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "weft: %s\n", error.what());
  }
  ::close(fd_);
}

void step_trace::add(unsigned worker, std::uint64_t begin, std::uint64_t end,
                     const resume_point& from, task_state& task) noexcept {
  row& into = rows_[worker];
  try {
    const task_extra* const extra = find_extra(task);
    const std::uint64_t id = extra == nullptr ? 0 : extra->id;
    if (extra != nullptr && !extra->name.empty()) into.names.try_emplace(id, extra->name);
    if (into.names.size() > 2 * steps_max_) forget_names(into);  // seldom: it takes as many again
    if (into.steps.size() == steps_max_) into.steps.pop_front();
    into.steps.push_back({.begin = begin, .end = end, .task = id, .from = from});
  } catch (const std::bad_alloc&) {  // left out
  }
}

/// Of tasks whose steps have made room.
void step_trace::forget_names(row& of) {
  std::unordered_set<std::uint64_t> shown;
  for (const step& each : of.steps) shown.insert(each.task);
  std::erase_if(of.names, [&](const auto& named) { return !shown.contains(named.first); });
}

void step_trace::write() const {
  const std::string_view name = process_.empty() ? "weft" : std::string_view(process_);
  std::string text = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";
  text += metadata("process_name", 0, name);
  for (std::size_t worker = 0; worker < rows_.size(); ++worker) {
    text += ",\n" + metadata("thread_name", worker, "worker " + std::to_string(worker));
    write_row(text, worker);
  }
  put(text + "\n]}\n");
}

/// Appends to `text`, and puts out what has become long.
void step_trace::write_row(std::string& text, std::size_t worker) const {
  constexpr std::size_t long_text = 1 << 16;
  const row& from = rows_[worker];
  const std::string place_of_row = R"(,"pid":1,"tid":)" + std::to_string(worker);
  place_names places;
  for (const step& each : from.steps) {
    text += ",\n{\"ph\":\"X\",\"name\":" + places.of(each.from) + place_of_row + R"(,"ts":)" +
            microseconds(each.begin - started_) + R"(,"dur":)" +
            microseconds(each.end - each.begin) + R"(,"args":{"task":)" + std::to_string(each.task);
    if (const auto named = from.names.find(each.task); named != from.names.end())
      text += R"(,"name":)" + quoted(named->second);
    text += "}}";
    if (text.size() < long_text) continue;
    put(text);
    text.clear();
  }
}

void step_trace::put(const std::string& text) const {
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t written = ::write(fd_, left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw std::system_error(errno, std::system_category(), "trace " + path_);
    left.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace weft::detail
