#ifndef COMMON_MODEL_MEMORY_H
#define COMMON_MODEL_MEMORY_H

/*
 * What a model takes of a node's memory, in bytes. The router reckons with it which models a node
 * can hold, and a worker whether one must go before another is loaded. Pure.
 */

#define MODEL_MEMORY_FACTOR 1.15   /* memory of a model, of its file ... */
#define MODEL_MEMORY_EXTRA  0.25e9 /* ... and this: context and buffers */
#define MODEL_MEMORY_SYSTEM 1.5e9  /* of RAM is not there for models and page cache */

static inline double model_memory_bytes(double file_bytes)
{
    return file_bytes * MODEL_MEMORY_FACTOR + MODEL_MEMORY_EXTRA;
}

static inline double model_memory_usable(double ram_bytes)
{
    return ram_bytes - MODEL_MEMORY_SYSTEM;
}

#endif
