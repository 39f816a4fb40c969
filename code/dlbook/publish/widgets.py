"""The stored state of a notebook's widgets: made repeatable, and read as trees."""
import hashlib
import json

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
REFERENCE = "IPY_MODEL_"
LINKS = ("LinkModel", "DirectionalLinkModel")


def models(notebook):
    """The widget models that a notebook shows.

    Args:
        notebook: NotebookNode.

    Returns:
        dict of model id to `{model_name, state, buffers, ...}`, in the order in which the outputs lead to the models.
    """
    stored = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    order = list(_reachable(stored, _shown(notebook)))
    return {model_id: stored[model_id] for model_id in order + _links(stored, order)}


def settle(notebook, name):
    """Keep the models that the page shows, and give them ids that are the same at every execution.

    An id is made of the chapter's name and the model's rank in `models`; those that no output leads to (closed progress bars,
    for example) are dropped.

    Args:
        notebook: NotebookNode, changed in place.
        name: the chapter's name.
    """
    shown = models(notebook)
    ids = {old: hashlib.sha256(f"{name}:widget:{rank}".encode()).hexdigest()[:32] for rank, old in enumerate(shown)}
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = _renamed(cell.outputs, ids)
    if not shown:
        notebook.metadata.pop("widgets", None)
        return
    notebook.metadata["widgets"][STATE]["state"] = {
        ids[old]: _sorted_buffers(_renamed(model, ids)) for old, model in shown.items()}


def tree(stored, model_id, above=()):
    """A widget as nested plain values: its children, layout and style in place of their ids, and the links that start in it.

    Args:
        stored: models by id, as `models` gives them.
        model_id: the widget.
        above: ids of the widgets that contain this one.

    Returns:
        dict; None where the id is not stored.
    """
    model = stored.get(model_id)
    if model is None:
        return None
    above = (*above, model_id)
    plain = {name: _inlined(value, stored, above) for name, value in model["state"].items() if name != "msg_id"}
    for buffer in model.get("buffers", []):
        plain["buffer " + ".".join(map(str, buffer["path"]))] = buffer["data"]
    plain["links"] = sorted(_link_words(link["state"], stored) for link in stored.values()
                            if link["model_name"] in LINKS and link["state"]["source"][0] == REFERENCE + model_id)
    return plain


def _shown(notebook):
    for cell in notebook.cells:
        yield from _references(cell.get("outputs", []))


def _references(value):
    """Ids of the models that a nested value mentions, in reading order."""
    if isinstance(value, str):
        if value.startswith(REFERENCE):
            yield value[len(REFERENCE):]
    elif isinstance(value, dict):
        if isinstance(value.get(VIEW), dict):
            yield value[VIEW]["model_id"]
        for key in sorted(value):
            yield from _references(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _references(item)


def _reachable(stored, first):
    """Ids met when walking from the given ones, each once."""
    seen, waiting = {}, list(first)[::-1]
    while waiting:
        model_id = waiting.pop()
        if model_id in stored and model_id not in seen:
            seen[model_id] = None
            waiting.extend(list(_references(stored[model_id]["state"]))[::-1])
    return seen


def _links(stored, order):
    """Ids of the links between models in `order`; nothing refers to a link, it refers to its two ends."""
    rank = {model_id: position for position, model_id in enumerate(order)}
    found = []
    for model_id, model in stored.items():
        ends = list(_references(model["state"]))
        if model["model_name"] in LINKS and all(end in rank for end in ends):
            traits = [model["state"][side][1] for side in ("source", "target")]
            found.append(([rank[end] for end in ends], traits, model["model_name"], model_id))
    return [link[-1] for link in sorted(found)]


def _link_words(state, stored):
    """A link in words that do not depend on the models' ids, but on their places."""
    ends = []
    for reference, trait in (state["source"], state["target"]):
        model_id = reference[len(REFERENCE):]
        ends.append(f"{trait} of model {list(stored).index(model_id)} ({stored[model_id]['model_name']})")
    return f"{state['_model_name']} from {ends[0]} to {ends[1]}"


def _renamed(value, ids):
    if isinstance(value, str) and value.startswith(REFERENCE):
        return REFERENCE + ids.get(value[len(REFERENCE):], value[len(REFERENCE):])
    if isinstance(value, dict):
        made = type(value)((key, _renamed(item, ids)) for key, item in value.items())
        if "model_id" in made:
            made["model_id"] = ids.get(made["model_id"], made["model_id"])
        return made
    return [_renamed(item, ids) for item in value] if isinstance(value, (list, tuple)) else value


def _sorted_buffers(model):
    if "buffers" in model:
        model["buffers"] = sorted(model["buffers"], key=lambda buffer: json.dumps(buffer["path"]))
    return model


def _inlined(value, stored, above):
    if isinstance(value, str) and value.startswith(REFERENCE):
        model_id = value[len(REFERENCE):]
        return "itself" if model_id in above else tree(stored, model_id, above)
    if isinstance(value, dict):
        return {key: _inlined(item, stored, above) for key, item in value.items()}
    return [_inlined(item, stored, above) for item in value] if isinstance(value, (list, tuple)) else value
