/* Which photos can be uploaded. The edge fills the limits into index.html when it serves the page. */

const { contentTypes, maxRawBytes } = document.body.dataset;

export const CONTENT_TYPES = contentTypes.split(" ");
export const MAX_RAW_BYTES = Number(maxRawBytes);

const FULL_SUFFIXES = { jpg: "jpeg", tif: "tiff" };

/** For people: "JPEG, PNG, …, or AVIF", and "100 MB". */
export const FORMATS = new Intl.ListFormat("en", { type: "disjunction" })
  .format(CONTENT_TYPES.map((type) => type.replace("image/", "").toUpperCase()));
export const MAX_SIZE = `${Math.floor(MAX_RAW_BYTES / 2 ** 20)} MB`;

/** The content type of a file, or null if it can't be uploaded. Some browsers do not know the type of HEIC files. */
export function contentTypeOf(file) {
  const suffix = file.name.split(".").at(-1).toLowerCase();
  const type = file.type || `image/${FULL_SUFFIXES[suffix] ?? suffix}`;
  return CONTENT_TYPES.includes(type) ? type : null;
}
