/*
 * A provider of security labels, "pgpipe test", that takes whatever it is given.
 *
 * The headers of a server come in a package of their own, with a whole LLVM behind it. What is needed of them stands
 * here, as from PostgreSQL 15 on (src/include/fmgr.h, src/include/commands/seclabel.h). SERVER_VERSION is the server's
 * server_version_num: it loads nothing that was made for another one.
 */
#include <stddef.h>

typedef struct {
    int version;
    int funcmaxargs;
    int indexmaxkeys;
    int namedatalen;
    int float8byval;
    char abi_extra[32];
} Abi;

typedef struct {
    int len;
    Abi abi;
#if SERVER_VERSION >= 180000
    const char *name;
    const char *version;
#endif
} Magic;

typedef struct ObjectAddress ObjectAddress;

extern void register_label_provider(const char *name, void (*check)(const ObjectAddress *object, const char *label));

const Magic *Pg_magic_func(void);
void _PG_init(void);

const Magic *Pg_magic_func(void)
{
    static const Magic magic = {
        .len = sizeof(Magic),
        .abi = {SERVER_VERSION / 100, 100, 32, 64, sizeof(size_t) == 8, "PostgreSQL"},
    };
    return &magic;
}

static void takes_all(const ObjectAddress *object, const char *label)
{
    (void) object;
    (void) label;
}

void _PG_init(void)
{
    register_label_provider("pgpipe test", takes_all);
}
