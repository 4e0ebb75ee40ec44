"""tgtctl cat-config: the configuration that counts, merged from all layers, with each value's origin."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from tgtd.config.document import Document
from tgtd.config.layers import DAEMON_FILE, Layers, find
from tgtd.config.load import Loader
from tgtd.config.merged import MergedRow, merged, toml
from tgtd.config.problem import ConfigErrors, printable
from tgtd.config.schema import DAEMON, TARGETS, Schema


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    """Adds cat-config."""
    parser = commands.add_parser(
        "cat-config",
        parents=[common],
        help="print the merged configuration with each value's origin",
        description="Print the configuration that counts, defaults included, each value with its file, line and "
        "column. Secrets are named, not shown.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """0: printed. 1: the configuration is wrong; its errors are on standard error."""
    layers = Layers.system() if arguments.config is None else Layers.single(arguments.config)
    loader = Loader(layers, secrets=False)
    try:
        config = loader.load()
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return 1
    masked = [printable(path) for path in find(layers).masked]
    spoken = {document.name for document in loader.documents()}
    masks = [path for path in config.files if path not in spoken and path not in masked]
    documents = _with_daemon(loader.documents())
    if arguments.json:
        print(json.dumps({"version": 1, "masked": masked, "masks": masks, "files": _as_rows(documents)}, indent=2))
        return 0
    for word, paths in (("masked", masked), ("masks", masks)):
        for path in paths:
            print(f"# {word}: {path}")
    print("\n".join(_lines(documents)))
    return 0


def _with_daemon(documents: tuple[Document, ...]) -> list[tuple[Document, Schema]]:
    """Each document with its contract. Without a tgtd.toml an empty one stands for its defaults."""
    daemon = [document for document in documents if document.name.endswith(f"/{DAEMON_FILE}")][:1]
    targets = [document for document in documents if document not in daemon]
    contract = Schema(TARGETS)
    first = (daemon or [Document(f"{DAEMON_FILE} (there is none)", b"", 0)])[0]
    return [(first, Schema(DAEMON)), *((document, contract) for document in targets)]


def _lines(documents: list[tuple[Document, Schema]]) -> Iterator[str]:
    """TOML with origins as comments."""
    for document, schema in documents:
        yield f"# {document.name}"
        for part in merged(document, schema.tree):
            if isinstance(part, MergedRow):
                yield f"{part.path[-1]} = {toml(part.value)}  # {part.origin}"
            else:
                yield f"\n{part.header}  # {part.origin}"
        yield ""


def _as_rows(documents: list[tuple[Document, Schema]]) -> list[dict[str, object]]:
    return [
        {
            "file": document.name,
            "values": [
                {"path": list(part.path), "value": part.value, "origin": part.origin}
                for part in merged(document, schema.tree)
                if isinstance(part, MergedRow)
            ],
        }
        for document, schema in documents
    ]
