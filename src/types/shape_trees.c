/*
 * std::map, std::set and their multi forms by shape.
 *
 * libstdc++ (gcc 12, include/bits/stl_tree.h, _Rb_tree_node_base, _Rb_tree_header): a node begins
 * with {color, parent, left, right}; the header in the container is such a node, red, whose parent
 * is the root, whose left and right are the first and the last node, and the number of nodes
 * follows. libc++ (LLVM 14, include/__tree): {left, right, parent, is black}; the container is
 * {first node, end node, number}, where the end node is the root's pointer alone.
 */
#include "types/shape_priv.h"

/* How a library lays a tree out. */
struct layout {
	/* In a node. */
	uint32_t left, right, parent, color;
	/* Bytes of a node before its value; red is this color. */
	uint32_t bytes;
	/* The end: what the root has for a parent, as an offset from the first word of the place,
	 * and where the place has the number of nodes. */
	int32_t end;
	uint32_t count;
};

static const struct layout libstdcxx = {
	.left = 16, .right = 24, .parent = 8, .color = 0, .bytes = 32, .end = -8, .count = 24
};
static const struct layout libcxx = {
	.left = 0, .right = 8, .parent = 16, .color = 24, .bytes = 26, .end = 8, .count = 16
};

struct tree {
	struct ch_shapes *shapes;
	const struct layout *layout;
	uint64_t end, root, count;
	/* NULL: all of it is looked at first. */
	const struct ch_shape_sizes *sizes;
};

struct node {
	struct ch_named_block block;
	uint64_t left, right, parent;
};

/* A node of a tree, which must have the parent through which it was reached. */
static bool get_node(const struct tree *tree, uint64_t addr, uint64_t parent, struct node *ret)
{
	const struct layout *layout = tree->layout;
	uint64_t words[4];

	if (!chp_shape_block(tree->shapes, addr, &ret->block) ||
	    ret->block.size_bytes < layout->bytes || !chp_shape_read(tree->shapes, addr, words, 4))
		return false;
	ret->left = words[layout->left / 8];
	ret->right = words[layout->right / 8];
	ret->parent = words[layout->parent / 8];
	/* the color is 0 or 1, an int or a bool; what is behind it is anything */
	return ret->parent == parent && (words[layout->color / 8] & 0xff) <= 1;
}

/* Where an in-order walk goes from a node whose left side is done: down to the right, or up past
 * all nodes whose right side it was. addr becomes the next node's parent side. */
struct walk {
	uint64_t addr, parent;
	struct node node;
};

static bool go_down_left(const struct tree *tree, struct walk *walk)
{
	while (walk->node.left) {
		if (!chp_shape_step(tree->shapes))
			return false;
		walk->parent = walk->addr;
		walk->addr = walk->node.left;
		if (!get_node(tree, walk->addr, walk->parent, &walk->node))
			return false;
	}
	return true;
}

/* Up to the first node whose left side was left; *done_ret: there is none. */
static bool go_up(const struct tree *tree, struct walk *walk, bool *done_ret)
{
	uint64_t from;

	for (;;) {
		from = walk->addr;
		walk->addr = walk->parent;
		*done_ret = walk->addr == tree->end;
		if (*done_ret)
			return true;
		/* it has been looked at on the way down */
		if (!chp_shape_step(tree->shapes) ||
		    !chp_shape_read(tree->shapes, walk->addr + tree->layout->parent, &walk->parent,
				    1) ||
		    !get_node(tree, walk->addr, walk->parent, &walk->node))
			return false;
		if (walk->node.left == from && walk->node.right != from)
			return true;
	}
}

/* All nodes in order: false where they are not a tree of so many. With sizes known they get their
 * names, without them what they are is put into *sizes_ret. */
static struct ch_error *walk_tree(const struct tree *tree, struct ch_shape_sizes *sizes_ret,
				  bool *ok_ret)
{
	struct walk walk = { .addr = tree->root, .parent = tree->end };
	struct ch_error *err = NULL;
	uint64_t count = 0;
	bool done = false;

	*ok_ret = false;
	if (!get_node(tree, walk.addr, walk.parent, &walk.node) || !go_down_left(tree, &walk))
		return NULL;
	while (!done) {
		if (++count > tree->count)
			return NULL;
		if (tree->sizes)
			err = chp_shape_say(tree->shapes, &walk.node.block, CH_PART_TREE_NODE,
					    tree->sizes->least);
		else if (!chp_shape_alike(sizes_ret, &walk.node.block))
			return NULL;
		if (err)
			return err;
		if (walk.node.right) {
			walk.parent = walk.addr;
			walk.addr = walk.node.right;
			if (!chp_shape_step(tree->shapes) ||
			    !get_node(tree, walk.addr, walk.parent, &walk.node) ||
			    !go_down_left(tree, &walk))
				return NULL;
		} else if (!go_up(tree, &walk, &done)) {
			return NULL;
		}
	}
	*ok_ret = count == tree->count;
	return NULL;
}

/* The node at one end of the tree. */
static uint64_t outermost(const struct tree *tree, uint32_t side)
{
	uint64_t addr = tree->root, next;

	while (chp_shape_step(tree->shapes) &&
	       chp_shape_read(tree->shapes, addr + side, &next, 1) && next)
		addr = next;
	return addr;
}

static struct ch_error *look(struct ch_shapes *shapes, const struct ch_shape_place *place,
			     const struct layout *layout, uint64_t root, bool *found_ret)
{
	struct tree tree = { .shapes = shapes, .layout = layout, .root = root };
	struct ch_shape_sizes sizes = { 0 };
	struct ch_error *err;
	uint64_t parent;

	tree.end = place->addr + (uint64_t)(int64_t)layout->end;
	tree.count = chp_shape_word(place, layout->count);
	if (!tree.count || tree.count > shapes->index->objects_count ||
	    !chp_shape_read(shapes, root + layout->parent, &parent, 1) || parent != tree.end)
		return NULL;
	err = walk_tree(&tree, &sizes, found_ret);
	if (err || !*found_ret)
		return err;
	*found_ret = outermost(&tree, layout->left) ==
		     chp_shape_word(place, layout == &libstdcxx ? 8 : 0);
	if (!*found_ret)
		return NULL;
	tree.sizes = &sizes;
	return walk_tree(&tree, NULL, found_ret);
}

struct ch_error *chp_shape_tree(struct ch_shapes *shapes, const struct ch_shape_place *place,
				bool *found_ret)
{
	/* root, first, last, number */
	if (place->len < 32 || !chp_shape_word(place, 24))
		return NULL;
	return look(shapes, place, &libstdcxx, chp_shape_word(place, 0), found_ret);
}

struct ch_error *chp_shape_tree_libcxx(struct ch_shapes *shapes, const struct ch_shape_place *place,
				       bool *found_ret)
{
	/* first, root, number */
	if (place->len < 24 || !chp_shape_word(place, 16) || !chp_shape_word(place, 8))
		return NULL;
	return look(shapes, place, &libcxx, chp_shape_word(place, 8), found_ret);
}
