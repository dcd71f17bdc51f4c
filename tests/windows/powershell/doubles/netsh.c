/* Double of netsh.exe: Wine's own accepts everything and does nothing. This one knows the two
 * commands that are needed and keeps rules in the registry as Windows' firewall does ([MS-FASP]). */
#include "double.h"

static const wchar_t rules_key[] = L"SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters"
                                   L"\\FirewallPolicy\\FirewallRules";

struct rule {
    const wchar_t *name, *dir, *action, *protocol, *port, *remote, *profile, *program, *description,
        *enable;
};

static int parse(int argc, wchar_t **argv, struct rule *rule)
{
    for (int i = 5; i < argc; i++) {
        const struct { const wchar_t *key, **place; } known[] = {
            {L"name=", &rule->name}, {L"dir=", &rule->dir}, {L"action=", &rule->action},
            {L"protocol=", &rule->protocol}, {L"localport=", &rule->port},
            {L"remoteip=", &rule->remote}, {L"profile=", &rule->profile},
            {L"program=", &rule->program}, {L"description=", &rule->description},
            {L"enable=", &rule->enable},
        };
        size_t k = 0;
        while (k < sizeof known / sizeof *known && !after(argv[i], known[k].key)) k++;
        if (k == sizeof known / sizeof *known) return 1;
        *known[k].place = after(argv[i], known[k].key);
    }
    return !rule->name || !rule->dir;
}

/* A field a remote address; LocalSubnet is one for each family. */
static void add_remote(wchar_t *text, const wchar_t *remote)
{
    wchar_t copy[4096];
    if (!wcscmp(remote, L"any")) return;
    if (!wcscmp(remote, L"LocalSubnet")) {
        wcscat(text, L"RA4=LocalSubnet|RA6=LocalSubnet|");
        return;
    }
    wcscpy(copy, remote);
    for (wchar_t *one = wcstok(copy, L","); one; one = wcstok(NULL, L",")) {
        wcscat(text, wcschr(one, L':') ? L"RA6=" : L"RA4=");
        wcscat(text, one);
        wcscat(text, L"|");
    }
}

static int add(HKEY key, const struct rule *r)
{
    static wchar_t text[16384];
    wchar_t id[64];
    if (!r->action || !r->protocol || _wcsicmp(r->protocol, L"UDP") || !r->port || !r->remote ||
        !r->program || !r->profile || wcscmp(r->profile, L"any"))
        return 1;
    swprintf(text, 16384, L"v2.31|Action=%ls|Active=%ls|Dir=In|Protocol=17|LPort=%ls|",
             wcscmp(r->action, L"allow") ? L"Block" : L"Allow",
             r->enable && !wcscmp(r->enable, L"no") ? L"FALSE" : L"TRUE", r->port);
    add_remote(text, r->remote);
    wcscat(text, L"App=");
    wcscat(text, r->program);
    wcscat(text, L"|Name=");
    wcscat(text, r->name);
    wcscat(text, L"|Desc=");
    wcscat(text, r->description ? r->description : L"");
    wcscat(text, L"|");
    /* Windows makes a GUID; one that is the same each time can be compared. */
    swprintf(id, 64, L"{%ls-%ls}", r->name, r->port);
    return RegSetValueExW(key, id, 0, REG_SZ, (BYTE *)text, (wcslen(text) + 1) * sizeof *text) ? 1 : 0;
}

static int delete_rules(HKEY key, const wchar_t *name)
{
    static wchar_t id[256], text[16384], wanted[256];
    int found = 0;
    swprintf(wanted, 256, L"|Name=%ls|", name);
    for (DWORD i = 0;;) {
        DWORD id_length = 256, size = sizeof text;
        if (RegEnumValueW(key, i, id, &id_length, NULL, NULL, (BYTE *)text, &size)) break;
        if (wcsstr(text, wanted)) {
            RegDeleteValueW(key, id);
            found = 1;
        } else i++;
    }
    if (!found) printf("No rules match the specified criteria.\n");
    return !found;
}

int wmain(int argc, wchar_t **argv)
{
    struct rule rule = {0};
    HKEY key;
    begin("netsh", argc, argv);
    if (argc < 6 || wcscmp(argv[1], L"advfirewall") || wcscmp(argv[2], L"firewall") ||
        wcscmp(argv[4], L"rule") || parse(argc, argv, &rule) || wcscmp(rule.dir, L"in"))
        return 1;
    if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, rules_key, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &key, NULL))
        return 1;
    if (!wcscmp(argv[3], L"add")) return add(key, &rule);
    if (!wcscmp(argv[3], L"delete")) return delete_rules(key, rule.name);
    return 1;
}
