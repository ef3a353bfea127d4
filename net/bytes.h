#pragma once

// byte_view and byte_span: what writes take and reads fill, of streams and files alike.
#include "../runtime/bytes.h"  // IWYU pragma: export
