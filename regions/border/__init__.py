"""What regions say to each other: the documents of the border API, which both ends read and write.

In and out come frozen values and JSON. Nothing here does I/O. Read `bounds`, which reads values from another region,
then `photo_record`, `offers`, `batches`, in which offers cross, and `follows`. docs/border.yaml describes the API.
"""
