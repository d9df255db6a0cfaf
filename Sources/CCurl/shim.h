// libcurl's calls with a variable number of arguments, one for each type of argument: Swift cannot call them otherwise.
#pragma once
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

typedef size_t (*bs_curl_data)(char *bytes, size_t size, size_t count, void *context);
typedef int (*bs_curl_seek)(void *context, curl_off_t offset, int origin);

static inline CURLcode bs_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode bs_curl_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode bs_curl_set_text(CURL *handle, CURLoption option, const char *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode bs_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode bs_curl_set_data(CURL *handle, CURLoption option, bs_curl_data function) {
    return curl_easy_setopt(handle, option, function);
}
static inline CURLcode bs_curl_set_seek(CURL *handle, bs_curl_seek function) {
    return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, function);
}
static inline CURLcode bs_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}
