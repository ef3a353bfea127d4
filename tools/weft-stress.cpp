// weft-stress: uses the library hard, disturbs its threads, and checks that its promises hold.
//
//   weft-stress --seconds 60                                  every workload in turn
//   weft-stress --workload lock-storm --workers 8 --chaos 3 --seed 42

#include "stress/session.h"

int main(int argc, char** argv) {
  return weft::stress::stress_main(argc, argv, weft::stress::standard_workloads());
}
