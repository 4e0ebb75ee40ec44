"""The site of the wire tests."""

from tests.wire.conftest import site

__all__ = ["site"]
