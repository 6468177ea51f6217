/* Every command: what --help, the parser, the man page and the completion say comes from here. */
#include "cli.h"

#define OPTIONS(array) .options = (array), .n_options = sizeof(array) / sizeof((array)[0])

const struct cli_option cli_globals[] = {
    {"redis", 0, "URL", "where Redis is: redis://[user@]host[:port][/db] or unix:///path[?db=N]"},
    {"password-file", 0, "FILE", "file that holds the Redis password"},
    {"prefix", 0, "PREFIX", "beginning of every Redis key; default orion:inference"},
    {"config", 0, "FILE", "settings; default /etc/orion/orionctl.conf if it is there"},
    {"json", 0, NULL, "machine-readable output: one JSON object, or one per line where it flows"},
    {"color", 0, "WHEN", "auto (default), always or never; NO_COLOR in the environment is never"},
    {"help", 'h', NULL, "print help and exit"},
    {"version", 0, NULL, "print the version and exit"},
};
const size_t cli_globals_count = sizeof cli_globals / sizeof cli_globals[0];
_Static_assert(sizeof cli_globals / sizeof cli_globals[0] <= CLI_OPTIONS_MAX, "too many rows");

static const struct cli_option top_options[] = {
    {"interval", 'i', "DURATION", "pause between two looks; default 2s"},
    {"sort", 's', "KEY", "node (default), state, temp, cpu, ram, busy or speed"},
    {"once", 0, NULL, "print one screen and exit"},
};

static const struct cli_option submit_options[] = {
    {"model", 'm', "MODEL", "model to ask; needed unless --file names it"},
    {"file", 'f', "FILE", "request as a JSON object, or its messages as a JSON array; - is stdin"},
    {"system", 0, "TEXT", "system message before the text"},
    {"generate", 0, NULL, "ask with a bare prompt (/api/generate) instead of a chat message"},
    {"embed", 0, NULL, "ask for the embedding of the text"},
    {"params", 0, "JSON", "further fields of Ollama's request, e.g. '{\"options\":{\"seed\":1}}'"},
    {"session", 0, "NAME", "conversation: goes to the node that has it cached"},
    {"client", 0, "NAME", "who asks; clients share the fleet fairly"},
    {"priority", 0, "CLASS", "high, normal or low"},
    {"metadata", 0, "TEXT", "given back with the reply, up to 4 KiB"},
    {"id", 0, "ID", "request id; default: a random one"},
    {"timeout", 't', "DURATION", "deadline of the request; default: the router's default_timeout"},
    {"stream", 's', NULL, "print the answer while it comes"},
    {"progress", 'p', NULL, "tell queue position and ETA on stderr, also when it is no terminal"},
    {"quiet", 'q', NULL, "nothing on stderr but errors"},
    {"no-wait", 0, NULL, "print the request id and leave; see orionctl wait"},
};

static const struct cli_option wait_options[] = {
    {"stream", 's', NULL, "print the answer while it comes"},
    {"timeout", 't', "DURATION", "give up after this long; the request goes on"},
    {"callback", 0, "KEY", "stream of the reply, if the client chose another one"},
    {"quiet", 'q', NULL, "nothing on stderr but errors"},
};

static const struct cli_option cancel_options[] = {
    {"timeout", 't', "DURATION", "how long to wait for the cancel to take effect; default 10s"},
    {"no-wait", 0, NULL, "do not wait for it"},
};

static const struct cli_option explain_options[] = {
    {"callback", 0, "KEY", "stream of the reply, if the client chose another one"},
};

static const struct cli_option events_options[] = {
    {"follow", 'f', NULL, "go on with new events until Ctrl-C"},
    {"lines", 'n', "N", "how many of the past to show, 0 to 10000; default 20"},
    {"since", 0, "DURATION", "only those of the last DURATION, e.g. 10m"},
    {"event", 'e', "KIND", "only these kinds, separated by commas: routed,done"},
    {"node", 0, "NODE", "only of this node"},
    {"request", 'r', "ID", "only of this request"},
    {"model", 'm', "MODEL", "only of this model"},
};

static const struct cli_option drain_options[] = {
    {"wait", 'w', NULL, "until the node has nothing left to do"},
    {"timeout", 't', "DURATION", "give up after this long; the node stays drained"},
};

static const struct cli_option undrain_options[] = {
    {"timeout", 't', "DURATION", "how long to wait for a router to apply it; default 10s"},
};

static const struct cli_option dead_list_options[] = {
    {"lines", 'n', "N", "how many to show, newest last, 1 to 10000; default 100"},
};

static const struct cli_option dead_retry_options[] = {
    {"all", 0, NULL, "every dead letter that can be sent again"},
};

static const struct cli_option dead_purge_options[] = {
    {"all", 0, NULL, "every dead letter"},
    {"older-than", 0, "DURATION", "those older than this, e.g. 7d"},
};

static const struct cli_option preload_options[] = {
    {"node", 0, "NODE", "load it there"},
    {"timeout", 't', "DURATION", "give up waiting after this long; default 10m"},
    {"no-wait", 0, NULL, "do not wait until the model is in memory"},
};

static const struct cli_option bench_options[] = {
    {"model", 'm', "MODEL", "model to ask (needed)"},
    {"requests", 'n', "N", "how many in all, 1 to 100000; default 20"},
    {"concurrency", 'c', "N", "how many at once, 1 to 256; default 4"},
    {"rate", 'r', "N", "start N per minute instead, whatever is running; at most 256 run at once"},
    {"prompt", 0, "TEXT", "what to ask; default: a short question"},
    {"tokens", 0, "N", "at most this many tokens per answer (num_predict); default 64"},
    {"timeout", 't', "DURATION", "deadline of each request; default 10m"},
    {"priority", 0, "CLASS", "high, normal (default) or low"},
    {"client", 0, "NAME", "who asks; default bench"},
};

const struct cli_command cli_commands[CLI_COUNT] = {
    [CLI_STATUS] =
        {CLI_STATUS, "status", "", "the fleet, the queue and the routers, once",
         "A node's state is up; drained by an operator; late or lost when it is silent; or the "
         "reason why it takes no work: hot, memory, ollama down, starting, stopping. PWR shows "
         "what the board says of itself now: T throttled, V under-voltage, F frequency capped. "
         "BUSY is what is on the node's stream, of its slots. TOK/S is the measured speed of the "
         "model in memory. The limits are those of orionctl.conf (node_late, node_lost, temp_max, "
         "ram_max); keep them as they are in router.conf.",
         "1: no router is alive, or no node takes work", NULL, 0, 0, 0},
    [CLI_TOP] = {CLI_TOP, "top", "", "the same, live in the terminal",
                 "Keys: up and down (or k, j) choose a node, Enter looks into it, s chooses the "
                 "order, r turns it round, d drains the node or takes it back (asks first), p "
                 "stops the clock, ? shows the keys, q quits. Reads 80x24 and larger. With --json "
                 "it prints one status object per interval.",
                 "", OPTIONS(top_options), 0, 0},
    [CLI_SUBMIT] =
        {CLI_SUBMIT, "submit", "[TEXT]...", "asks, and prints the answer",
         "The text is asked as one chat message; without TEXT it is read from stdin. --file takes "
         "the fields of the protocol (model, messages, prompt, input, params, session ...), and "
         "options win over it.\n\n"
         "The answer goes to stdout, everything else to stderr. Ctrl-C cancels the request in the "
         "cluster and waits until that is sure; a second Ctrl-C leaves at once. If the connection "
         "to Redis breaks, it is made anew and the reply read on. Control characters in an answer "
         "are shown as ? on a terminal, and left alone elsewhere.",
         "1: the reply is an error; 130: cancelled by Ctrl-C", OPTIONS(submit_options), 0,
         CLI_ARGS_MAX},
    [CLI_WAIT] = {CLI_WAIT, "wait", "ID", "waits for the reply of a request, and prints it",
                  "Ctrl-C stops waiting and leaves the request alone.",
                  "1: the reply is an error; 4: nobody knows the request; 5: --timeout has passed",
                  OPTIONS(wait_options), 1, 1},
    [CLI_CANCEL] =
        {CLI_CANCEL, "cancel", "ID", "ends a request wherever it is",
         "Waits until a router has applied it and the request has its last entry.",
         "1: it had ended before; 4: nobody knows the request; 5: no effect within --timeout",
         OPTIONS(cancel_options), 1, 1},
    [CLI_EXPLAIN] =
        {CLI_EXPLAIN, "explain", "ID", "the whole life of a request, in order",
         "Puts together what P:events, P:job, the reply and P:dead know: accepted, queued, each "
         "decision with its costs and refusals, started, given back, ended; with times and nodes. "
         "Events reach back about 10,000 entries, the reply and the job response_ttl (1 h).",
         "4: nobody knows the request", OPTIONS(explain_options), 1, 1},
    [CLI_EVENTS] = {CLI_EVENTS, "events", "", "what happened, and with --follow what happens", "",
                    "", OPTIONS(events_options), 0, 0},
    [CLI_DRAIN] = {CLI_DRAIN, "drain", "NODE", "no new work for a node",
                   "What the node runs, ends; what it has not started, goes elsewhere. It stays "
                   "drained through restarts, until orionctl undrain.",
                   "4: no such node; 5: --timeout has passed", OPTIONS(drain_options), 1, 1},
    [CLI_UNDRAIN] = {CLI_UNDRAIN, "undrain", "NODE", "takes a drained node back into service", "",
                     "4: no such node; 5: no router applied it", OPTIONS(undrain_options), 1, 1},
    [CLI_FORGET] = {CLI_FORGET, "forget", "NODE", "removes a node that is gone for good",
                    "Only a node that has been silent for node_lost (15s), and whose work has been "
                    "taken back. A drain of it is lifted.",
                    "1: it is alive, or has work left; 4: no such node", NULL, 0, 1, 1},
    [CLI_DEAD_LIST] = {CLI_DEAD_LIST, "dead list", "", "requests that were given up", "", "",
                       OPTIONS(dead_list_options), 0, 0},
    [CLI_DEAD_SHOW] = {CLI_DEAD_SHOW, "dead show", "ENTRY", "everything that is known of one",
                       "ENTRY is an id of `dead list` (1700000000000-0), or a request id.",
                       "4: no such entry", NULL, 0, 1, 1},
    [CLI_DEAD_RETRY] =
        {CLI_DEAD_RETRY, "dead retry", "[ENTRY]...", "sends dead letters again",
         "As new requests: each gets its old id with .retry behind it (an id is answered once), "
         "and the reply goes to the stream of that id. The dead letter is removed in the same "
         "step. Prints the new ids; see orionctl wait. Entries of more than 16 KiB were not kept "
         "whole and cannot be sent again.",
         "1: some could not be sent; 4: no such entry", OPTIONS(dead_retry_options), 0,
         CLI_ARGS_MAX},
    [CLI_DEAD_PURGE] = {CLI_DEAD_PURGE, "dead purge", "[ENTRY]...", "removes dead letters", "",
                        "4: no such entry", OPTIONS(dead_purge_options), 0, CLI_ARGS_MAX},
    [CLI_PRELOAD] =
        {CLI_PRELOAD, "preload", "MODEL", "loads a model into memory before it is asked for",
         "Without --node an idle node is chosen that has the model on its disk: one with nothing "
         "in "
         "memory, then the coolest; nothing is done if a node has it in memory already. With "
         "--node "
         "what that node has in memory makes way. A request for another model that comes meanwhile "
         "ends it.",
         "1: it failed, or no node is idle; 4: no such node, or no node has the model; 5: "
         "--timeout "
         "has passed",
         OPTIONS(preload_options), 1, 1},
    [CLI_BENCH] =
        {CLI_BENCH, "bench", "", "asks many times, and tells percentiles",
         "Prints how long the requests waited, until the first token and until the end (p50, p90, "
         "p95, p99, worst), tokens per second, and what each node did. Ctrl-C cancels what is "
         "running and prints what has been measured. Without --rate the next request starts when "
         "one ends, so a slow fleet is asked less: use --rate to see queues.",
         "1: a request failed", OPTIONS(bench_options), 0, 0},
    [CLI_DOCTOR] =
        {CLI_DOCTOR, "doctor", "", "looks for what is wrong, and says what to do",
         "Redis: version, persistence, eviction, memory, stream-node-max-bytes, ACL and who may "
         "connect, clock. Routers and work that is stuck. Each node: Ollama's version and the "
         "defaults that come with it, whether it forgets models, sensors, heat, throttling, "
         "under-voltage, memory and swap. "
         "What runs on this machine (ollama, swap) is looked at more closely.",
         "1: something is wrong that should be put right (warnings alone are 0)", NULL, 0, 0, 0},
    [CLI_HELP] = {CLI_HELP, "help", "[COMMAND]...", "help for a command", "", "", NULL, 0, 0, 2},
};
