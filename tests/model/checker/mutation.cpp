#include "mutation.h"

#include "memory.h"
#include "registry.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace weft::model {
namespace {

using enum std::memory_order;

// Most failures are found at once, by lot. Of the complete searches only those that are quick
// themselves are tried, and they are given more time where there are few.
constexpr std::uint64_t lots = 1'000;
constexpr std::size_t searches_max = 16;
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

std::vector<weakening> all_weakenings(std::string_view of_file) {
  std::vector<weakening> all;
  for (const place& each : places) {
    // Not of the models themselves.
    if (each.models.empty() || each.what.file.starts_with("tests/")) continue;
    if (each.what.file.find(of_file) == std::string::npos) continue;
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
  const std::size_t searches = std::min(models.size(), searches_max);
  for (std::size_t i = 0; i < searches; ++i) {
    const double seconds = seconds_in_all / static_cast<double>(searches);
    if (models[i].model->fails_within(seconds)) return models[i].model;
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

}  // namespace

void run_mutations(std::FILE* report, mutation_part part) {
  survey();
  const std::vector<weakening> all = all_weakenings(part.of_file);
  for (std::size_t i = part.first; i < all.size(); i += part.step) {
    const weakening& each = all[i];
    const memory::site& what = each.where->what;
    const registered_model* failing = find_failing(each);
    std::fprintf(report, "%s\t%u\t%s%s\t%s\t%s\t%zu\t%s\n", what.file.c_str(), what.line,
                 what.operation, each.of_failure ? " (failed)" : "", memory::name_of(each.from),
                 memory::name_of(each.to), each.where->models.size(),
                 failing == nullptr ? "-" : failing->full_name().c_str());
    std::fflush(report);
  }
}

}  // namespace weft::model
