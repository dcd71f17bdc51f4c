/** The picture's colors: Okabe and Ito's, which differ for every kind of color vision. */
export const colors = {
  answers: "#009e73",
  silence: "#d55e00",
  router: "#56606b",
  flush: "#0072b2",
  event: "#1f2328",
  quiet: "#59636e",
  grid: "#c9d1d9",
  faint: "#eaeef2",
} as const;
