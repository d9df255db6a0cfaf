#pragma once
#include <sqlite3.h>

/// SQLite keeps no account of its memory, and takes no lock for that. For the whole process, before anything is opened.
static inline int bs_sqlite_without_statistics(void) { return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }
