"""Inception v3: inception modules whose large windows are taken apart into small and one-sided ones."""
