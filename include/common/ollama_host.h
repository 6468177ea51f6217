#ifndef COMMON_OLLAMA_HOST_H
#define COMMON_OLLAMA_HOST_H

/*
 * Where Ollama is. Pure.
 */

#include <stddef.h>

struct err;

/* For a table of settings: 0 if `text` is http://HOST:PORT or https://HOST:PORT (an IPv6 address in
 * brackets) and nothing behind it, else -EINVAL and *err. */
int ollama_url_check(const char *text, struct err *err);

/*
 * Takes what may stand in OLLAMA_HOST, in Ollama's own forms: host, host:port, :port, [address],
 * [address]:port, address, each with or without http:// or https:// in front and a path behind
 * (which is dropped), and writes the URL that reaches it into buf.
 *
 * Without a port: 11434, but 80 with http:// and 443 with https://, as Ollama itself does
 * (envconfig/config.go). An address to listen on everywhere (0.0.0.0, ::) becomes the loopback one;
 * no host means 127.0.0.1. Returns 0, or -EINVAL with *err (buf is then left alone).
 */
int ollama_host_to_url(const char *text, char *buf, size_t cap, struct err *err);

#endif
