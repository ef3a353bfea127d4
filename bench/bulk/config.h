/* As echo, with a buffer fit for messages of a mebibyte. */
#pragma once

enum { bulk_buffer = 65536 };
