"""The ComfyUI side of Viseme: the only code here that knows ComfyUI."""
