"""Speed and memory beside peers: ``make bench`` measures, and writes ``docs/benchmarks.md``.

``parts`` decide what is measured and tell it; ``child`` is what runs in processes of its own, in
the Python of the ComfyUI that was found, so that everyone has the same libraries.
"""
