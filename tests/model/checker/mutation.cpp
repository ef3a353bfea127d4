#include "mutation.h"

#include "memory.h"
#include "registry.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::model {
namespace {

using enum std::memory_order;

// Most failures are found at once, by lot. The complete searches come after that, the quick ones
// first.
constexpr std::uint64_t lots = 1'000;
constexpr double seconds_each = 2;
constexpr double seconds_in_all = 32;

struct reach {
  const registered_model* model;
  double seconds;
};

/// One site of the sources, and who comes there.
struct place {
  memory::site what;
  std::vector<reach> models;
};

/// By its index in memory::sites(), which stays the same in a process.
std::vector<place> places;

void note_reached(const registered_model& model, double seconds) {
  const std::vector<memory::site>& sites = memory::sites();
  places.resize(sites.size());
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (!sites[i].reached) continue;
    places[i].what = sites[i];
    std::vector<reach>& known = places[i].models;
    if (known.empty() || known.back().model != &model) known.push_back({&model, 0});
    known.back().seconds += seconds;
  }
}

/// What a model reaches by lot, it reaches in the depth-first search as well, and the other way
/// round.
void survey() {
  for (const registered_model* each : registered_model::all())
    note_reached(*each, each->check_by_lot(strategy::pct, on_failure::stop, lots).seconds);
  for (place& each : places) {
    std::sort(each.models.begin(), each.models.end(),
              [](const reach& a, const reach& b) { return a.seconds < b.seconds; });
  }
}

struct weakening {
  const place* where;
  bool of_failure;
  std::memory_order from, to;
};

/// One step weaker: there may be two of them.
std::vector<std::memory_order> weaker(std::memory_order order, std::string_view operation) {
  switch (order) {
    case seq_cst:
      if (operation == "load") return {acquire};
      if (operation == "store") return {release};
      return {acq_rel};
    case acq_rel:
      return {acquire, release};
    case acquire:
    case release:
      return {relaxed};
    default:
      return {};
  }
}

/// What mutation_run::where names.
struct selection {
  std::string_view file;
  std::uint32_t line = 0;  // 0: each

  explicit selection(std::string_view where) : file(where) {
    const std::size_t colon = where.rfind(':');
    if (colon == std::string_view::npos || colon + 1 == where.size()) return;
    if (std::isdigit(static_cast<unsigned char>(where[colon + 1])) == 0) return;
    file = where.substr(0, colon);
    line = static_cast<std::uint32_t>(
        std::strtoul(std::string(where.substr(colon + 1)).c_str(), nullptr, 10));
  }
  [[nodiscard]] bool has(const memory::site& what) const {
    return what.file.find(file) != std::string::npos && (line == 0 || line == what.line);
  }
};

std::vector<weakening> all_weakenings(const selection& wanted) {
  std::vector<weakening> all;
  for (const place& each : places) {
    // Not of the models themselves.
    if (each.models.empty() || each.what.file.starts_with("tests/")) continue;
    if (!wanted.has(each.what)) continue;
    const std::string_view operation = each.what.operation;
    for (const std::memory_order to : weaker(each.what.order, operation))
      all.push_back({&each, false, each.what.order, to});
    if (operation != "compare_exchange") continue;
    for (const std::memory_order to : weaker(each.what.failure, "load"))
      all.push_back({&each, true, each.what.failure, to});
  }
  const auto key = [](const weakening& of) {
    const memory::site& what = of.where->what;
    return std::tuple(std::string_view(what.file), what.line, what.column, of.of_failure, of.to);
  };
  std::sort(all.begin(), all.end(),
            [&](const weakening& a, const weakening& b) { return key(a) < key(b); });
  return all;
}

const registered_model* find_by_lot(const std::vector<reach>& models) {
  for (const strategy how : {strategy::pct, strategy::random}) {
    for (const reach& each : models) {
      if (!each.model->check_by_lot(how, on_failure::stop, lots).passed()) return each.model;
    }
  }
  return nullptr;
}

const registered_model* find_by_search(const std::vector<reach>& models) {
  double left = seconds_in_all;
  for (std::size_t i = 0; i < models.size() && left > 0; ++i) {
    const result found = models[i].model->check_within(std::min(left, seconds_each));
    if (!found.passed()) return models[i].model;
    left -= found.seconds;
  }
  return nullptr;
}

/// The model that fails with it, or null.
const registered_model* find_failing(const weakening& each) {
  const memory::site& what = each.where->what;
  const memory::mutation weakened{what.file, what.line, what.column, each.of_failure, each.to};
  memory::mutate(&weakened);
  const registered_model* found = find_by_lot(each.where->models);
  if (found == nullptr) found = find_by_search(each.where->models);
  memory::mutate(nullptr);
  return found;
}

// ---- Reports

/// The begin of a line of a report.
std::string name_of(const weakening& each) {
  const memory::site& what = each.where->what;
  std::ostringstream text;
  text << what.file << '\t' << what.line << '\t' << what.column << '\t' << what.operation
       << (each.of_failure ? " (failed)" : "") << '\t' << memory::name_of(each.from) << '\t'
       << memory::name_of(each.to) << '\t';
  return text.str();
}

enum class rows : std::uint8_t { all, found };

void read_report(const char* path, rows which, std::set<std::string>& into) {
  std::ifstream report(path);
  for (std::string line; std::getline(report, line);) {
    std::size_t end = 0;
    for (int columns = 0; columns < 6 && end != std::string::npos; ++columns)
      end = line.find('\t', end == 0 ? 0 : end + 1);
    if (end == std::string::npos) continue;
    if (which == rows::all || !line.ends_with("\t-")) into.insert(line.substr(0, end + 1));
  }
}

bool is_report_line(std::string_view line) {
  return std::count(line.begin(), line.end(), '\t') == 8;
}

/// There is nothing yet, or what an earlier run has written: anything else is kept.
bool may_write(const char* report) {
  struct stat there{};
  if (::stat(report, &there) != 0) return true;  // if not, open() tells why
  std::string first;
  std::getline(std::ifstream(report), first);
  return S_ISREG(there.st_mode) && std::string_view(report).ends_with(".tsv") &&
         (there.st_size == 0 || is_report_line(first));
}

bool is_outdated(const char* report) {
  struct stat of_report{}, of_program{};
  return ::stat(report, &of_report) == 0 && ::stat("/proc/self/exe", &of_program) == 0 &&
         std::tie(of_report.st_mtim.tv_sec, of_report.st_mtim.tv_nsec) <
             std::tie(of_program.st_mtim.tv_sec, of_program.st_mtim.tv_nsec);
}

// ---- The work, shared among processes

struct progress {
  std::atomic<std::size_t> begun{0};
  std::atomic<std::size_t> ended{0};
  std::atomic<std::size_t> found{0};
};

progress& shared_progress() {
  void* const memory =
      ::mmap(nullptr, sizeof(progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return *new (memory) progress;
}

void note(int report, const weakening& each, double seconds, const registered_model* failing,
          progress& shared, std::size_t total) {
  const std::string by = failing == nullptr ? "-" : failing->full_name();
  std::array<char, 64> figures{};
  std::snprintf(figures.data(), figures.size(), "%zu\t%.1f\t", each.where->models.size(), seconds);
  const std::string line = name_of(each) + figures.data() + by + "\n";
  if (::write(report, line.data(), line.size()) < 0) std::perror("report");  // all of it, or none
  const memory::site& what = each.where->what;
  if (failing != nullptr) ++shared.found;
  std::printf("[%3zu/%zu] %s:%u  %s%s %s -> %s  %.1f s  %s\n", ++shared.ended, total,
              what.file.c_str(), what.line, what.operation, each.of_failure ? " (failed)" : "",
              memory::name_of(each.from), memory::name_of(each.to), seconds,
              failing == nullptr ? "survives" : by.c_str());
  std::fflush(stdout);
}

void work(const std::vector<weakening>& all, int report, progress& shared) {
  for (std::size_t i = 0; (i = shared.begun++) < all.size();) {
    const auto begin = std::chrono::steady_clock::now();
    const registered_model* failing = find_failing(all[i]);
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    note(report, all[i], spent.count(), failing, shared, all.size());
  }
}

bool work_in_processes(const std::vector<weakening>& all, int report, progress& shared,
                       unsigned processes) {
  for (unsigned i = 0; i < processes; ++i) {
    const pid_t child = ::fork();
    if (child < 0) return false;
    if (child > 0) continue;
    work(all, report, shared);
    ::_exit(0);
  }
  bool good = true;
  for (unsigned i = 0; i < processes; ++i) {
    int status = 0;
    good &= ::wait(&status) > 0 && status == 0;
  }
  return good && shared.ended == all.size();
}

}  // namespace

int run_mutations(const mutation_run& how) {
  if (!may_write(how.report)) {
    std::fprintf(stderr, "%s is no report of --mutations, nothing is written to it\n", how.report);
    return 2;
  }
  std::set<std::string> done;
  if (is_outdated(how.report)) ::unlink(how.report);
  read_report(how.report, rows::all, done);
  if (how.known != nullptr) read_report(how.known, rows::found, done);
  survey();
  std::vector<weakening> all = all_weakenings(selection(how.where));
  const std::size_t total = all.size();
  std::erase_if(all, [&](const weakening& each) { return done.contains(name_of(each)); });
  std::printf("%zu weakened orders, %zu of them known already\n", total, total - all.size());
  std::fflush(stdout);

  const int report = ::open(how.report, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (report < 0) {
    std::perror(how.report);
    return 2;
  }
  progress& shared = shared_progress();
  const bool good = work_in_processes(all, report, shared, how.processes);
  ::close(report);
  std::printf("%zu of %zu found\n", shared.found.load(), all.size());
  return good ? 0 : 1;
}

}  // namespace weft::model
