/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's XML, read with libxml2. libvirt never writes a document type, so
 * one that has any is refused where it begins: no entity is ever defined.
 */
#include "domain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>

static void xml_docp(xmlDoc **doc) {
        xmlFreeDoc(*doc);
}

static void xml_ctxtp(xmlParserCtxt **ctxt) {
        xmlFreeParserCtxt(*ctxt);
}

static void xml_textp(xmlChar **text) {
        xmlFree(*text);
}

static int _printf_(2, 3) wrong(struct domain_error *error, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(error->text, sizeof(error->text), format, ap);
        va_end(ap);
        return -EINVAL;
}

/* strdup() of the text within a node, without the blanks around it. */
static int copy_content(const xmlNode *node, char **ret) {
        _cleanup_(xml_textp) xmlChar *content = xmlNodeGetContent(node);
        const char *begin, *end;
        char *copy;

        if (!content)
                return -ENOMEM;
        begin = (const char *) content + strspn((const char *) content, " \t\r\n");
        end = begin + strlen(begin);
        while (end > begin && strchr(" \t\r\n", end[-1]))
                end--;
        copy = strndup(begin, (size_t) (end - begin));
        if (!copy)
                return -ENOMEM;
        free(*ret);
        *ret = copy;
        return 0;
}

static bool is_element(const xmlNode *node, const char *name) {
        return node->type == XML_ELEMENT_NODE && !node->ns && strcmp((const char *) node->name, name) == 0;
}

static bool is_ours(const xmlNode *node) {
        return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href && strcmp((const char *) node->ns->href, DOMAIN_NAMESPACE) == 0;
}

/* Decimal, or hexadecimal after 0x. */
static int read_number(const char *attribute, const char *text, uint32_t *ret, struct domain_error *error) {
        bool is_hex = strncmp(text, "0x", 2) == 0;
        const char *digits = is_hex ? text + 2 : text;
        size_t n = strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789");
        unsigned long long value;

        if (n == 0 || digits[n] != '\0' || n > 10)
                return wrong(error, "Attribute %s of the reserve element is \"%.40s\"; it takes a number.", attribute, text);
        value = strtoull(digits, NULL, is_hex ? 16 : 10);
        if (value == 0 || value > UINT32_MAX)
                return wrong(error, "Attribute %s of the reserve element is \"%.40s\"; it takes 1 to 1048575.", attribute, text);
        *ret = (uint32_t) value;
        return 0;
}

static int read_attribute(struct domain *d, const xmlAttr *attribute, struct domain_error *error) {
        const char *name = (const char *) attribute->name;
        _cleanup_free_ char *text = NULL;
        int r;

        r = copy_content((const xmlNode *) attribute, &text);
        if (r < 0)
                return r;
        if (!attribute->ns && strcmp(name, "count") == 0)
                return read_number(name, text, &d->count, error);
        if (!attribute->ns && strcmp(name, "min") == 0)
                return read_number(name, text, &d->min, error);
        if (!attribute->ns && strcmp(name, "max") == 0)
                return read_number(name, text, &d->max, error);
        if (!attribute->ns && strcmp(name, "private") == 0) {
                d->private_text = TAKE_PTR(text);
                return 0;
        }
        return wrong(error, "Attribute \"%.40s\" of the reserve element is not known; count, min, max and private are.", name);
}

static int add_device(struct domain *d, const xmlNode *node) {
        char **grown = reallocarray(d->devices, d->n_devices + 2, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        d->devices = grown;
        d->devices[d->n_devices] = d->devices[d->n_devices + 1] = NULL;
        return copy_content(node, &d->devices[d->n_devices++]);
}

static int read_reserve(struct domain *d, const xmlNode *reserve, struct domain_error *error) {
        int r = 0;

        if (d->wants_pasids)
                return wrong(error, "The metadata has two reserve elements; one says it all.");
        d->wants_pasids = true;
        d->count = 1;
        for (const xmlAttr *a = reserve->properties; a && r >= 0; a = a->next)
                r = read_attribute(d, a, error);
        for (const xmlNode *child = reserve->children; child && r >= 0; child = child->next) {
                if (child->type != XML_ELEMENT_NODE)
                        continue;
                if (!is_ours(child) || strcmp((const char *) child->name, "device") != 0)
                        return wrong(error, "Element \"%.40s\" in the reserve element is not known; device of the namespace "
                                     DOMAIN_NAMESPACE " is.", (const char *) child->name);
                r = add_device(d, child);
        }
        /* A range has two ends, or none. */
        if (d->max > 0 && d->min == 0)
                d->min = 1;
        if (d->min > 0 && d->max == 0)
                d->max = 0xfffff;
        return r;
}

static int read_metadata(struct domain *d, const xmlNode *metadata, struct domain_error *error) {
        int r = 0;

        for (const xmlNode *child = metadata->children; child && r >= 0; child = child->next) {
                if (!is_ours(child))
                        continue;
                if (strcmp((const char *) child->name, "reserve") != 0)
                        return wrong(error, "Element \"%.40s\" of the namespace " DOMAIN_NAMESPACE " is not known; reserve is.",
                                     (const char *) child->name);
                r = read_reserve(d, child, error);
        }
        return r;
}

static int read_domain(struct domain *d, xmlDoc *doc, struct domain_error *error) {
        const xmlNode *root = xmlDocGetRootElement(doc);
        int r = 0;

        if (!root || !is_element(root, "domain"))
                return wrong(error, "It is not the XML of a domain.");
        for (const xmlNode *child = root->children; child && r >= 0; child = child->next)
                if (is_element(child, "name"))
                        r = copy_content(child, &d->name);
                else if (is_element(child, "uuid"))
                        r = copy_content(child, &d->uuid);
                else if (is_element(child, "metadata"))
                        r = read_metadata(d, child, error);
        if (r >= 0 && (!d->name || d->name[0] == '\0' || !d->uuid || d->uuid[0] == '\0'))
                r = wrong(error, "The domain has no name or no UUID.");
        return r;
}

/* As internalSubset of SAX2: what follows "<!DOCTYPE". */
static void refuse_doctype(void *data, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id) {
        xmlParserCtxt *ctxt = data;
        bool *has_doctype = ctxt->_private;

        *has_doctype = true;
        xmlStopParser(ctxt);
}

static int parse_error(xmlParserCtxt *ctxt, struct domain_error *error) {
        const xmlError *last = xmlCtxtGetLastError(ctxt);
        const char *message = last && last->message ? last->message : "nothing can be made of it";

        if (last && last->code == XML_ERR_NO_MEMORY)
                return -ENOMEM;
        return wrong(error, "It cannot be read: line %d: %.*s.", last ? last->line : 0, (int) strcspn(message, "\n"), message);
}

static int read_document(const char *xml, size_t size, xmlDoc **ret, struct domain_error *error) {
        _cleanup_(xml_ctxtp) xmlParserCtxt *ctxt = xmlNewParserCtxt();
        _cleanup_(xml_docp) xmlDoc *doc = NULL;
        bool has_doctype = false;

        if (!ctxt)
                return -ENOMEM;
        ctxt->sax->internalSubset = refuse_doctype;
        ctxt->_private = &has_doctype;
        doc = xmlCtxtReadMemory(ctxt, xml, (int) size, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        if (has_doctype)
                return wrong(error, "It has a document type, which no domain's XML has.");
        if (!doc)
                return parse_error(ctxt, error);
        *ret = TAKE_PTR(doc);
        return 0;
}

int domain_parse(const char *xml, size_t size, struct domain **ret, struct domain_error *error) {
        _cleanup_(xml_docp) xmlDoc *doc = NULL;
        _cleanup_(domain_freep) struct domain *d = NULL;
        int r;

        if (size > DOMAIN_XML_MAX)
                return wrong(error, "It has more than %u bytes.", DOMAIN_XML_MAX);
        r = read_document(xml, size, &doc, error);
        if (r < 0)
                return r;
        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        r = read_domain(d, doc, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

struct domain *domain_free(struct domain *d) {
        if (!d)
                return NULL;
        for (size_t i = 0; i < d->n_devices; i++)
                free(d->devices[i]);
        free(d->devices);
        free(d->private_text);
        free(d->name);
        free(d->uuid);
        free(d);
        return NULL;
}
