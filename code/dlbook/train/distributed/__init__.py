"""The digit network trained by several processes, on one machine or many, and stopped and resumed at any step."""
