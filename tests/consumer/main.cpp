// The smallest user of the library: what a project that just found it would try first.
#include <weft/runtime/runtime.h>
#include <weft/runtime/task.h>
#include <weft/weft.h>

#include <net/if.h>  // the system's, not ours: our folders must not be on the include path

weft::task<int> answer() {
  co_return 42;
}

weft::task<int> app() {
  const int value = co_await answer();
  co_return value == 42 && IF_NAMESIZE > 0 ? 0 : 1;
}

int main() {
  return weft::run(app());
}
