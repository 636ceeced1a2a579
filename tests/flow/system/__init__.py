"""The whole service on embedded stores, as its users see it. A package, so that its one running system ends with it."""
