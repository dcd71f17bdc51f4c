# Sourced inside a Wine session: how a stand-in takes the place of one of Wine's DLLs.

# replace_exports NAME KEPT OWN LACKING ORIGINALS FOLDER
#
# Compiles NAME.c into FOLDER/NAME.dll, beside Wine's own as FOLDER/KEPT.dll. NAME.c defines the
# exports OWN, of which LACKING isn't exported, and may call Wine's ORIGINALS as Orig…; every other
# export is forwarded.
replace_exports() {
  name=$1 kept=$2 own=$3 lacking=$4 originals=$5 folder=$6
  target=x86_64-w64-mingw32
  source=/checkout/tests/windows/standin/$name.c
  cd "$(mktemp -d)"

  cp "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/$name.dll" "$kept.dll"
  {
    echo "LIBRARY $name"
    echo EXPORTS
    for export in $own; do
      if [ "$export" != "$lacking" ]; then echo "  $export"; fi
    done
    $target-objdump -p "$kept.dll" | sed -n '/\[Ordinal\/Name Pointer\] Table/,/^$/p' |
      awk -v own=" $own " -v kept="$kept" '/\[ *[0-9]+\]/ {
        if (!index(own, " " $NF " ") && $NF ~ /^[A-Za-z]/) print "  " $NF " = " kept "." $NF }'
  } >"$name.def"
  {
    echo "LIBRARY $kept"
    echo EXPORTS
    for export in $originals; do echo "  Orig$export == $export"; done
  } >"$kept.def"
  $target-dlltool -d "$kept.def" -l "lib$kept.a"
  $target-gcc -shared -O2 -Wall -Wno-unused-parameter -D_WIN32_WINNT=0x0601 -o "$name.dll" \
    "$source" "$name.def" "lib$kept.a"
  mkdir "$folder"
  cp "$kept.dll" "$name.dll" "$folder/"
}
