/* A plugin in C: shows the summary, the body and the reading time of a post, and a link to edit it to those who may. A long
 * read is deleted only by those who may edit every post.
 *
 * It is written against kernel/sandbox/kernel.wit alone, without an SDK and without a C library. Strings cross the
 * boundary as an address and a length in UTF-8. The manifest asks for data mode "handle", so that the kernel reads the
 * JSON of items, and this file only writes some. */

#include <stddef.h>
#include <stdint.h>

#define KERNEL(interface, function) \
	__attribute__((import_module("trovato:kernel/" interface "@0.1.0"), import_name(function))) extern
#define EXPORT(name) __attribute__((export_name(name)))
#define TEXT(literal) ((string){literal, sizeof(literal) - 1})
#define NAME(literal) literal, sizeof(literal) - 1

typedef struct {
	const char *start;
	size_t length;
} string;

/* As the canonical ABI lays them out: option<string>, option<s64>, result<string, string>. */
typedef struct {
	uint8_t is_there;
	string value;
} optional_string;

typedef struct {
	uint8_t is_there;
	int64_t value;
} optional_integer;

typedef struct {
	uint8_t is_error;
	string value;
} result;

KERNEL("item-api", "get-id") void get_id(int32_t handle, optional_string *answer);
KERNEL("item-api", "get-field-string")
void get_field_string(int32_t handle, const char *name, size_t length, optional_string *answer);
KERNEL("item-api", "get-field-int")
void get_field_int(int32_t handle, const char *name, size_t length, optional_integer *answer);
KERNEL("user-api", "current-user-has-permission") int32_t has_permission(const char *name, size_t length);

/* Memory is handed out from one end, and taken back all at once when the kernel has read the answer. */

extern char __heap_base;
static uintptr_t heap_end = (uintptr_t)&__heap_base;

/* Where the kernel puts the strings that it hands over. It never asks for one to grow. */
EXPORT("cabi_realloc") void *allocate(void *old, size_t old_size, size_t alignment, size_t size) {
	(void)old, (void)old_size;
	uintptr_t start = (heap_end + alignment - 1) & ~(uintptr_t)(alignment - 1);
	size_t wanted = (start + size + 65535) / 65536, pages = __builtin_wasm_memory_size(0);
	if (wanted > pages && __builtin_wasm_memory_grow(0, wanted - pages) == (size_t)-1)
		__builtin_trap();
	heap_end = start + size;
	return (void *)start;
}

/* An answer has as many bytes as the kernel takes; one that is longer ends the call. */

static char answer[1000000];
static size_t answer_length;

static void put(string text) {
	if (text.length > sizeof answer - answer_length)
		__builtin_trap();
	for (size_t i = 0; i < text.length; i++)
		answer[answer_length++] = text.start[i];
}

static void put_json(string text) {
	put(TEXT("\""));
	for (size_t i = 0; i < text.length; i++) {
		char sign = text.start[i];
		if ((unsigned char)sign < 0x20) {
			const char *digits = "0123456789abcdef";
			char escape[] = {'\\', 'u', '0', '0', digits[sign >> 4], digits[sign & 15]};
			put((string){escape, sizeof escape});
		} else {
			if (sign == '"' || sign == '\\')
				put(TEXT("\\"));
			put((string){&sign, 1});
		}
	}
	put(TEXT("\""));
}

static void put_integer(int64_t number) {
	if (number > 9)
		put_integer(number / 10);
	put((string){&"0123456789"[number % 10], 1});
}

static void show_item(int32_t handle) {
	optional_string id = {0}, summary = {0}, body = {0};
	optional_integer minutes = {0};
	get_id(handle, &id);
	get_field_string(handle, NAME("field_summary"), &summary);
	get_field_string(handle, NAME("field_body"), &body);
	get_field_int(handle, NAME("field_reading_minutes"), &minutes);
	int32_t may_edit = has_permission(NAME("edit any blog content"));

	put(TEXT("{\"#type\":\"container\""));
	if (minutes.is_there && minutes.value > 0) {
		put(TEXT(",\"minutes\":{\"#type\":\"markup\",\"#tag\":\"p\",\"#value\":\""));
		put_integer(minutes.value);
		put(TEXT(" min read\"}"));
	}
	if (summary.is_there) {
		put(TEXT(",\"summary\":{\"#type\":\"markup\",\"#tag\":\"p\",\"#value\":"));
		put_json(summary.value);
		put(TEXT("}"));
	}
	if (body.is_there) {
		put(TEXT(",\"body\":{\"#type\":\"markup\",\"#tag\":\"div\",\"#format\":\"filtered_html\",\"#value\":"));
		put_json(body.value);
		put(TEXT("}"));
	}
	if (may_edit && id.is_there) {
		put(TEXT(",\"edit\":{\"#type\":\"link\",\"#value\":\"Edit\",\"#attributes\":{\"href\":\"/item/"));
		put(id.value);
		put(TEXT("/edit\"}}"));
	}
	put(TEXT("}"));
}

/* "deny", or null, which leaves the decision to others. */
static void judge_item(int32_t handle, int is_delete) {
	optional_integer minutes = {0};
	get_field_int(handle, NAME("field_reading_minutes"), &minutes);
	int is_long = minutes.is_there && minutes.value >= 30;
	if (is_delete && is_long && !has_permission(NAME("edit any blog content")))
		put(TEXT("\"deny\""));
	else
		put(TEXT("null"));
}

/* The kernel calls `describe` once, to see what it has, and `invoke` for each tap. */

EXPORT("describe") string *describe(void) {
	static string told;
	told = TEXT("{\"name\":\"glance\",\"sdk\":\"\",\"taps\":[\"tap_item_access\",\"tap_item_view\"]}");
	return &told;
}

static int is_equal(string one, string other) {
	if (one.length != other.length)
		return 0;
	for (size_t i = 0; i < one.length; i++)
		if (one.start[i] != other.start[i])
			return 0;
	return 1;
}

static int contains(string text, string part) {
	for (size_t i = 0; i + part.length <= text.length; i++)
		if (is_equal((string){text.start + i, part.length}, part))
			return 1;
	return 0;
}

/* {"ctx":{…},"operation":"view","items":[{"handle":1},{"handle":2}]}. Within a text of JSON the key's quotes would be
 * escaped, so that it is a key wherever it stands. */
static void answer_for_items(string payload, int is_access) {
	string key = TEXT("\"handle\":");
	int is_delete = is_access && contains(payload, TEXT("\"operation\":\"delete\""));
	put(TEXT("["));
	for (size_t i = 0; i + key.length < payload.length; i++) {
		if (!is_equal((string){payload.start + i, key.length}, key))
			continue;
		int32_t handle = 0;
		for (const char *digit = payload.start + i + key.length; *digit >= '0' && *digit <= '9'; digit++)
			handle = handle * 10 + (*digit - '0');
		if (answer_length > 1)
			put(TEXT(","));
		if (is_access)
			judge_item(handle, is_delete);
		else
			show_item(handle);
	}
	put(TEXT("]"));
}

EXPORT("invoke") result *invoke(const char *tap, size_t tap_length, const char *payload, size_t payload_length) {
	static result told;
	answer_length = 0;
	int is_access = is_equal((string){tap, tap_length}, TEXT("tap_item_access"));
	told.is_error = !is_access && !is_equal((string){tap, tap_length}, TEXT("tap_item_view"));
	if (told.is_error)
		put(TEXT("{\"code\":\"tap-not-implemented\",\"message\":\"glance shows posts and decides about them.\"}"));
	else
		answer_for_items((string){payload, payload_length}, is_access);
	told.value = (string){answer, answer_length};
	return &told;
}

EXPORT("cabi_post_invoke") void forget(result *told) {
	(void)told;
	heap_end = (uintptr_t)&__heap_base;
}
